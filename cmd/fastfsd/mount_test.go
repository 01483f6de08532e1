//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asProgram makes the test binary the program.
const asProgram = "FASTFSD_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// place is a source directory with one file, and a mount point, where everybody gets.
type place struct{ dir, src, mnt, exe string }

const greeting = "hello\n"

func newPlace(t *testing.T) place {
	t.Helper()
	dir, err := os.MkdirTemp("", "fastfsd")
	if err != nil {
		t.Fatal(err)
	}
	p := place{dir: dir, src: dir + "/src", mnt: dir + "/mnt", exe: dir + "/fastfsd.test"}
	t.Cleanup(func() {
		unix.Unmount(p.mnt, unix.MNT_DETACH)
		os.RemoveAll(dir)
	})
	for _, d := range []string{p.src, p.mnt} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.WriteFile(p.src+"/hello", []byte(greeting), 0o644), os.WriteFile(p.exe, exe, 0o755), os.Chmod(dir, 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// program runs the test binary as fastfsd.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr bytes.Buffer
	notify *net.UnixConn
	done   chan error
}

// start starts it with a socket for systemd's notifications.
func (p place) start(t *testing.T, change func(*exec.Cmd), args ...string) *program {
	t.Helper()
	path := filepath.Join(p.dir, "notify")
	os.Remove(path)
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	r := &program{t: t, cmd: exec.Command(p.exe, args...), notify: c, done: make(chan error, 1)}
	r.cmd.Env = append(os.Environ(), asProgram+"=1", "NOTIFY_SOCKET="+path)
	r.cmd.Stderr = &r.stderr
	if change != nil {
		change(r.cmd)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.done <- r.cmd.Wait() }()
	t.Cleanup(func() {
		c.Close()
		r.cmd.Process.Kill() // what has ended already stays as it is
	})
	return r
}

// says waits for a notification.
func (r *program) says(want string) {
	r.t.Helper()
	var b [200]byte
	r.notify.SetReadDeadline(time.Now().Add(time.Minute))
	n, err := r.notify.Read(b[:])
	if err != nil || !strings.HasPrefix(string(b[:n]), want) {
		r.t.Fatalf("notification %q, %v, want %s\n%s", b[:n], err, want, r.logged())
	}
}

// logged is what it printed. It may run on.
func (r *program) logged() string {
	r.cmd.Process.Kill()
	<-r.done
	return r.stderr.String()
}

// stop sends a signal and wants a clean end.
func (r *program) stop(sig os.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
	r.ends()
}

// ends wants a clean end.
func (r *program) ends() {
	r.t.Helper()
	select {
	case err := <-r.done:
		if err != nil {
			r.t.Fatalf("%v\n%s", err, r.stderr.String())
		}
	case <-time.After(time.Minute):
		r.t.Fatalf("still there after a minute\n%s", r.logged())
	}
}

func wantGreeting(t *testing.T, mnt string) {
	t.Helper()
	if b, err := os.ReadFile(mnt + "/hello"); err != nil || string(b) != greeting {
		t.Errorf("read %q, %v", b, err)
	}
}

func isMounted(t *testing.T, dir string) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(b), " "+dir+" ")
}

func TestMountForeground(t *testing.T) {
	for _, kind := range []string{"auto", "uring", "classic", "blocking"} {
		t.Run(kind, func(t *testing.T) {
			p := newPlace(t)
			r := p.start(t, nil, "mount", p.src, p.mnt, "--transport", kind)
			r.says("READY=1")
			wantGreeting(t, p.mnt)
			if err := os.WriteFile(p.mnt+"/new", []byte("x"), 0o600); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(p.src + "/new"); err != nil {
				t.Error(err)
			}
			if err := r.cmd.Process.Signal(unix.SIGHUP); err != nil {
				t.Error(err)
			}
			if err := r.cmd.Process.Signal(unix.SIGUSR1); err != nil {
				t.Error(err)
			}
			r.stop(unix.SIGTERM)
			r.says("STOPPING=1")
			for _, want := range []string{"LOOKUP ", "# " + p.mnt, "op=READ", "msg=mounted"} {
				if !strings.Contains(r.stderr.String(), want) {
					t.Errorf("%q is not in\n%s", want, r.stderr.String())
				}
			}
			if isMounted(t, p.mnt) {
				t.Error("still mounted")
			}
		})
	}
}

func TestReadOnly(t *testing.T) {
	p := newPlace(t)
	r := p.start(t, nil, "mount", p.src, p.mnt, "-o", "ro")
	r.says("READY=1")
	if err := os.WriteFile(p.mnt+"/new", nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Error(err)
	}
	r.stop(unix.SIGINT)
}

func TestUnmountedByOthers(t *testing.T) {
	p := newPlace(t)
	r := p.start(t, nil, "mount", p.src, p.mnt, "--log-format", "json")
	r.says("READY=1")
	if out, err := exec.Command("fusermount3", "-u", p.mnt).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r.ends()
	if !strings.Contains(r.stderr.String(), `"msg":"mounted"`) {
		t.Error(r.stderr.String())
	}
}

func TestDaemon(t *testing.T) {
	p := newPlace(t)
	pid := p.dir + "/pid"
	r := p.start(t, nil, p.src, p.mnt, "-o", "rw,dev,suid,nofail", "--pid-file", pid, "--log-file", p.dir+"/log")
	r.ends() // the parent
	r.says("READY=1")
	wantGreeting(t, p.mnt)
	if _, err := os.Stat(pid); err != nil {
		t.Error(err)
	}
	if err := unix.Unmount(p.mnt, 0); err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ { // the daemon removes it at its end
		if _, err := os.Stat(pid); errors.Is(err, os.ErrNotExist) {
			break
		}
		if i > 6000 {
			t.Fatal("the daemon is still there a minute after the unmount")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if b, err := os.ReadFile(p.dir + "/log"); err != nil || !strings.Contains(string(b), "msg=mounted") {
		t.Errorf("log %q, %v", b, err)
	}
}

func TestExitCodes(t *testing.T) {
	p := newPlace(t)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"mount", p.src, p.dir + "/none"}, exitFail, "create it first"},
		{[]string{"mount", p.src, p.dir + "/none", "--daemon"}, exitFail, "create it first"},
		{[]string{"mount", p.dir + "/none", p.mnt}, exitFail, "source"},
		{[]string{"mount", p.src, p.mnt, "--no-open"}, exitUsage, "cache always"},
		{[]string{"mount", p.src, p.mnt, "--daemon", "--no-open"}, exitUsage, "cache always"},
		{[]string{"mount", p.src, p.mnt, "--no-open", "--cache=always"}, exitFail, "local locks"},
		{[]string{"mount", p.src, p.mnt, "--writeback", "--cache=metadata"}, exitUsage, "cache auto or always"},
		{[]string{"mount", p.src, p.mnt, "--posix-acl", "--no-xattr"}, exitUsage, "no-xattr"},
		{[]string{"mount", "/proc/sys", p.mnt, "--inode-file-handles=mandatory"}, exitFail, "use prefer or never"},
		{[]string{"mount", p.src, p.mnt, "--max-pages=70000"}, exitUsage, "65535"},
		{[]string{"mount", p.src, "/dev/fd/0"}, exitFail, "not a mounted /dev/fuse"},
		{[]string{"mount", p.src, p.mnt, "--mount-ns=/nowhere"}, exitFail, "/nowhere"},
		{[]string{"mount", p.src, p.mnt, "--bogus"}, exitUsage, "bogus"},
	} {
		r := p.start(t, nil, c.args...)
		var exit *exec.ExitError
		if err := <-r.done; !errors.As(err, &exit) || exit.ExitCode() != c.code || !strings.Contains(r.stderr.String(), c.want) {
			t.Errorf("%q: %v, %q, want %d and %q", c.args, err, r.stderr.String(), c.code, c.want)
		}
		r.notify.Close()
	}
}

const nobody = 65534

func TestOrdinaryUser(t *testing.T) {
	if err := os.Chmod("/dev/fuse", 0o666); err != nil { // udev's mode: fusermount3 opens it as its caller
		t.Fatal(err)
	}
	p := newPlace(t)
	for _, d := range []string{p.mnt, p.src} {
		if err := os.Chown(d, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	user := func(c *exec.Cmd) {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	r := p.start(t, user, "mount", p.src, p.mnt)
	r.says("READY=1")
	cat := exec.Command("cat", p.mnt+"/hello") // without allow_other not even root may look
	user(cat)
	if out, err := cat.CombinedOutput(); err != nil || string(out) != greeting {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := os.Stat(p.mnt); !errors.Is(err, unix.EACCES) {
		t.Errorf("root looks into a user's mount: %v", err)
	}
	r.stop(unix.SIGTERM)
	if isMounted(t, p.mnt) {
		t.Error("still mounted")
	}
	r = p.start(t, user, "mount", p.src, p.mnt, "--fusermount=/nowhere/fusermount3")
	var exit *exec.ExitError
	if err := <-r.done; !errors.As(err, &exit) || exit.ExitCode() != exitFail || !strings.Contains(r.stderr.String(), "run as root or install fuse3") {
		t.Errorf("%v: %s", err, r.stderr.String())
	}
}

func TestInheritedFD(t *testing.T) {
	for _, how := range []string{"/dev/fd/3", "--fd", "--daemon"} {
		p := newPlace(t)
		f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		data := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", f.Fd())
		if err := unix.Mount("inherited", p.mnt, "fuse", 0, data); err != nil {
			t.Fatal(err)
		}
		args := []string{"mount", p.src, "/dev/fd/3"}
		switch how {
		case "--fd":
			args = []string{"mount", p.src, p.mnt, "--fd=3"}
		case "--daemon":
			args = append(args, how)
		}
		r := p.start(t, func(c *exec.Cmd) { c.ExtraFiles = []*os.File{f} }, args...)
		f.Close()
		r.says("READY=1")
		wantGreeting(t, p.mnt)
		if err := unix.Unmount(p.mnt, 0); err != nil {
			t.Error(err)
		}
		r.ends()
	}
}

func TestUserNamespace(t *testing.T) {
	p := newPlace(t)
	r := p.start(t, func(c *exec.Cmd) {
		c.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
		}
	}, "mount", p.src, p.mnt)
	r.says("READY=1")
	if isMounted(t, p.mnt) {
		t.Error("seen outside")
	}
	in := fmt.Sprintf("--target=%d", r.cmd.Process.Pid)
	out, err := exec.Command("nsenter", in, "--user", "--mount", "cat", p.mnt+"/hello").CombinedOutput()
	if err != nil || string(out) != greeting {
		t.Errorf("%q, %v", out, err)
	}
	r.stop(unix.SIGTERM)
}

func TestMountNamespace(t *testing.T) {
	p := newPlace(t)
	other := exec.Command("cat") // until the end of its input
	other.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	in, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer in.Close()
	pid := fmt.Sprint(other.Process.Pid)
	r := p.start(t, nil, "mount", p.src, p.mnt, "--mount-ns", pid)
	r.says("READY=1")
	if isMounted(t, p.mnt) {
		t.Error("seen here")
	}
	wantGreeting(t, "/proc/"+pid+"/root"+p.mnt)
	r.stop(unix.SIGTERM)
}
