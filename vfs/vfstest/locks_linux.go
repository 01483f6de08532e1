package vfstest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func noLocks(c *Config) bool { return c.NoLocks }

var lockCases = []testCase{
	{"POSIX locks between processes", noLocks, testPosixLocks},
	{"flock between descriptions", noLocks, testFlock},
	{"a waiting lock is granted", noLocks, testLockWait},
	{"a waiting lock is interrupted", func(c *Config) bool { return c.NoLocks || c.NoInterrupt }, testLockInterrupt},
	{"locks go with their process", noLocks, testLockDeath},
	{"an OFD lock goes with its open file", noLocks, testLockOFD},
}

const childLimit = 60 * time.Second

// child runs a shell script, as somebody else if cred says so.
func child(t *testing.T, cred *syscall.Credential, script string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), childLimit)
	defer cancel()
	c := exec.CommandContext(ctx, "/bin/sh", "-c", script)
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	out, err := c.CombinedOutput()
	return string(out), err
}

// lockProcess is a running lockHelper.
type lockProcess struct {
	t   *testing.T
	cmd *exec.Cmd
	in  *os.File
	out chan string
}

func startLocker(t *testing.T, path string) *lockProcess {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	p := &lockProcess{t: t, cmd: helper("lock", path), in: w, out: make(chan string, 16)}
	p.cmd.Stdin, p.cmd.Stderr = r, os.Stderr
	out, err := p.cmd.StdoutPipe()
	must(t, err)
	must(t, p.cmd.Start())
	r.Close()
	go func() {
		defer close(p.out)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.out <- s.Text()
		}
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *lockProcess) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.in.Close()
}

func (p *lockProcess) send(command string) {
	_, err := fmt.Fprintln(p.in, command)
	must(p.t, err)
}

// answer waits for the answer to the oldest command.
func (p *lockProcess) answer() string {
	p.t.Helper()
	select {
	case s, ok := <-p.out:
		if !ok {
			p.t.Fatal("the locking process has ended")
		}
		return s
	case <-time.After(childLimit):
		p.t.Fatal("no answer from the locking process")
	}
	return ""
}

// want sends a command and compares the answer; locks that are taken answer EAGAIN or EACCES.
func (p *lockProcess) want(command, answer string) {
	p.t.Helper()
	p.send(command)
	got := strings.Replace(p.answer(), "EACCES", "EAGAIN", 1)
	if got != answer {
		p.t.Errorf("%s: %s, want %s", command, got, answer)
	}
}

func testPosixLocks(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, strings.Repeat("x", 100))
	a, b := startLocker(t, p), startLocker(t, p)
	a.want("lock 0 10", "ok")
	b.want("try 5 1", "EAGAIN")
	b.want("try 10 10", "ok")
	a.want("try 0 20", "EAGAIN")
	a.want("unlock 0 5", "ok")
	b.want("try 0 5", "ok")
	b.want("try 5 1", "EAGAIN")
	a.want("unlock 0 0", "ok")
	b.want("try 0 0", "ok")
	b.want("unlock 0 0", "ok")
	a.want("tryread 0 10", "ok")
	b.want("tryread 5 10", "ok")
	b.want("try 5 1", "EAGAIN")
	f, err := os.OpenFile(p, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	lk := unix.Flock_t{Type: unix.F_WRLCK, Start: 0, Len: 1}
	must(t, unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lk))
	if lk.Type != unix.F_RDLCK || lk.Start != 0 {
		t.Errorf("F_GETLK: type %d at %d", lk.Type, lk.Start)
	}
}

func testFlock(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "x")
	a, b := startLocker(t, p), startLocker(t, p)
	a.want("flock", "ok")
	b.want("tryflock", "EAGAIN")
	b.want("try 0 0", "ok") // the two kinds do not meet
	a.want("unflock", "ok")
	b.want("tryflock", "ok")
	a.want("tryflock", "EAGAIN")
}

func testLockWait(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "x")
	a, b := startLocker(t, p), startLocker(t, p)
	a.want("lock 0 0", "ok")
	b.send("lock 0 0")
	a.want("unlock 0 0", "ok")
	if s := b.answer(); s != "ok" {
		t.Errorf("POSIX: %s", s)
	}
	a.want("try 0 0", "EAGAIN")
	a.want("flock", "ok")
	b.send("flock")
	a.want("unflock", "ok")
	if s := b.answer(); s != "ok" {
		t.Errorf("flock: %s", s)
	}
}

func testLockInterrupt(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "x")
	for _, kind := range []string{"lock 0 0", "flock"} {
		a, b := startLocker(t, p), startLocker(t, p)
		a.want(kind, "ok")
		b.send(kind)
		time.Sleep(50 * time.Millisecond) // most likely it waits by now; the test holds either way
		must(t, b.cmd.Process.Kill())
		done := make(chan struct{})
		go func() { _ = b.cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(childLimit):
			t.Fatalf("%s: a killed process still waits for its lock", kind)
		}
		c := startLocker(t, p)
		a.want(map[string]string{"lock 0 0": "unlock 0 0", "flock": "unflock"}[kind], "ok")
		c.want(kind, "ok")
		a.kill()
		c.kill()
	}
}

func testLockDeath(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "x")
	a, b := startLocker(t, p), startLocker(t, p)
	a.want("lock 0 0", "ok")
	a.want("flock", "ok")
	a.kill()
	b.want("lock 0 0", "ok")
	b.want("flock", "ok")
}

// testLockOFD: such a lock belongs to the open file, whoever has a descriptor of it, and its last close is no unlock that a
// server would be sent.
func testLockOFD(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "x")
	open := func() int {
		fd, err := unix.Open(p, unix.O_RDWR|unix.O_CLOEXEC, 0)
		must(t, err)
		return fd
	}
	try := func(fd int, typ int16) error {
		return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &unix.Flock_t{Type: typ, Len: 1})
	}
	a, b := open(), open()
	defer unix.Close(b)
	again, err := unix.FcntlInt(uintptr(a), unix.F_DUPFD_CLOEXEC, 0)
	must(t, err)
	must(t, try(a, unix.F_WRLCK))
	if err := try(b, unix.F_WRLCK); err != unix.EAGAIN {
		t.Errorf("another open file of the same process: %v, want EAGAIN", err)
	}
	must(t, unix.Close(a))
	if err := try(b, unix.F_RDLCK); err != unix.EAGAIN {
		t.Errorf("with a descriptor left: %v, want EAGAIN", err)
	}
	must(t, unix.Close(again))
	for end := time.Now().Add(childLimit); ; time.Sleep(time.Millisecond) { // the kernel need not wait for RELEASE
		err := try(b, unix.F_WRLCK)
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("after the last close: %v", err)
		}
	}
	if err := try(b, unix.F_UNLCK); err != nil {
		t.Error(err)
	}
}
