//go:build linux

package passthrough

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// lockChildEnv makes TestLockChild another process that holds a lock: "posix:PATH", "ofd:PATH" or "flock:PATH".
const lockChildEnv = "FASTFSD_TEST_LOCK"

// TestLockChild is not a test of its own: other tests run it as a foreign process. It locks, says so, and unlocks when its
// input ends.
func TestLockChild(t *testing.T) {
	kind, path, ok := cut(os.Getenv(lockChildEnv))
	if !ok {
		return
	}
	fd := openOFD(t, path)
	lk := unix.Flock_t{Type: unix.F_WRLCK, Start: 4, Len: 2}
	var err error
	switch kind {
	case "flock":
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	case "posix":
		err = unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &lk)
	default:
		err = unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lk)
	}
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("locked\n")
	io.Copy(io.Discard, os.Stdin)
	unix.Close(fd)
	os.Stdout.WriteString("unlocked\n")
}

func cut(s string) (kind, path string, ok bool) {
	for i := range s {
		if s[i] == ':' {
			return s[:i], s[i+1:], true
		}
	}
	return "", "", false
}

// foreign is a process of the host that holds a lock.
type foreign struct {
	t   testing.TB
	pid int
	in  io.WriteCloser
	out *bufio.Reader
}

func newForeign(t testing.TB, kind, path string) *foreign {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockChild$", "-test.timeout=120s")
	cmd.Env = append(os.Environ(), lockChildEnv+"="+kind+":"+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f := &foreign{t: t, pid: cmd.Process.Pid, in: in, out: bufio.NewReader(out)}
	f.expect("locked\n")
	t.Cleanup(func() {
		in.Close()
		io.Copy(io.Discard, f.out)
		cmd.Wait()
	})
	return f
}

func (f *foreign) expect(want string) {
	f.t.Helper()
	if line, err := f.out.ReadString('\n'); line != want {
		f.t.Fatalf("the foreign process says %q, %v", line, err)
	}
}

func (f *foreign) unlock() {
	f.t.Helper()
	f.in.Close()
	f.expect("unlocked\n")
}

func TestLockForeignProcess(t *testing.T) {
	for _, kind := range []string{"posix", "ofd"} {
		t.Run(kind, func(t *testing.T) {
			l := newLocked(t, Defaults())
			f := newForeign(t, kind, l.path)
			l.want(l.set(l.fh, 1, rd, 0, 9), vfs.EAGAIN)
			l.want(l.set(l.fh, 1, rd, 0, 3), vfs.OK)
			got := l.get(1, rd, 0, 9)
			if got.Type != wr || got.Start != 4 || got.End != 5 || kind == "posix" && got.PID != uint32(f.pid) || kind == "ofd" && got.PID != 0 {
				t.Fatalf("getlk: %+v", got)
			}
			w := l.setw(l.fh, 1, wr, 0, 9)
			x := l.setw(l.fh, 2, rd, 4, 4)
			y := l.setw(l.fh, 3, wr, 5, lockEOF)
			if w.answered() || x.answered() || y.answered() {
				t.Fatal("a lock that the host holds was given twice")
			}
			l.interrupt(y)
			l.want(y.wait(), vfs.EINTR)
			f.unlock()
			// w has asked first, but may be between two attempts: one of them gets it, then the other.
			for range 2 {
				select {
				case <-w.done:
					l.want(w.e, vfs.OK)
					l.want(l.set(l.fh, 1, un, 0, lockEOF), vfs.OK)
					w.done = nil
				case <-x.done:
					l.want(x.e, vfs.OK)
					l.want(l.set(l.fh, 2, un, 0, lockEOF), vfs.OK)
					x.done = nil
				}
			}
			l.none()
		})
	}
}

func TestFlockForeignProcess(t *testing.T) {
	l := newLocked(t, Defaults())
	fh2 := l.open(l.node, unix.O_RDONLY)
	e, _ := l.do(abi.OpSetlk, l.node, flockIn(l.fh, 1, rd))
	l.want(e, vfs.OK)
	e, _ = l.do(abi.OpSetlk, l.node, flockIn(l.fh, 1, un))
	l.want(e, vfs.OK)
	f := newForeign(t, "flock", l.path)
	e, _ = l.do(abi.OpSetlk, l.node, flockIn(l.fh, 1, rd))
	l.want(e, vfs.EAGAIN)
	w := l.start(abi.OpSetlkw, l.node, flockIn(l.fh, 1, rd))
	x := l.start(abi.OpSetlkw, l.node, flockIn(fh2, 2, rd))
	f.unlock()
	l.want(w.wait(), vfs.OK)
	l.want(x.wait(), vfs.OK)
	l.release(l.node, l.fh)
	l.release(l.node, fh2)
	l.none()
}

// 256 waiters behind a foreign process cost no thread and no goroutine each, and a SETLK between them does not hang.
func TestLockManyForeignWaiters(t *testing.T) {
	l := newLocked(t, Defaults())
	f := newForeign(t, "ofd", l.path)
	before := runtime.NumGoroutine()
	var w []*call
	for i := range 256 {
		w = append(w, l.setw(l.fh, uint64(100+i), rd, 4, 9))
	}
	if n := runtime.NumGoroutine(); n > before+2 {
		t.Fatalf("%d goroutines for 256 waiters", n-before)
	}
	l.want(l.set(l.fh, 1, wr, 20, 29), vfs.OK)
	l.want(l.set(l.fh, 1, un, 20, 29), vfs.OK)
	f.unlock()
	for _, k := range w {
		l.want(k.wait(), vfs.OK)
	}
	l.release(l.node, l.fh)
	l.none()
	eventually(t, "the retrying goroutine ends", func() bool {
		l.fs.locks.retry.mu.Lock()
		defer l.fs.locks.retry.mu.Unlock()
		return !l.fs.locks.retry.running
	})
}
