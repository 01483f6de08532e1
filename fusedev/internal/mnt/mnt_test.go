//go:build linux

package mnt

import (
	"errors"
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

// childMode names what a re-executed test binary does instead of the tests.
const childMode = "MNT_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childMode) != "" {
		if err := child(os.Getenv(childMode), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child mounts on args[0], says so, waits for the end of its input and unmounts if it is told to.
func child(mode string, args []string) error {
	p := Params{Dir: args[0], FSName: `comma,back\slash`, Subtype: "mnttest", AutoUnmount: mode == "auto", Fusermount: os.Getenv("MNT_TEST_HELPER")}
	m, err := New(p)
	if err != nil {
		return err
	}
	fmt.Println("mounted", m.Dev, m.fusermount != "")
	var b [1]byte
	os.Stdin.Read(b[:])
	if b[0] != 'u' {
		return nil // without a word
	}
	if err := m.Unmount(0); err != nil {
		return err
	}
	m.Close()
	return unix.Close(m.FD)
}

// mounted is the line of the mount table for dir, "" if there is none.
func mounted(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 && unescape(f[4]) == dir {
			return line
		}
	}
	return ""
}

func mountPoint(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mnt") // not t.TempDir: an ordinary user must get there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Unmount(dir, unix.MNT_DETACH)
		os.RemoveAll(dir)
	})
	return dir
}

func mount(t *testing.T, p Params) *Mount {
	t.Helper()
	m, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Unmount(unix.MNT_DETACH)
		m.Close()
		unix.Close(m.FD)
	})
	return m
}

func TestDirect(t *testing.T) {
	dir := mountPoint(t)
	m := mount(t, Params{
		Dir: dir, FSName: "a b,c", Subtype: "mnttest", AllowOther: true, DefaultPermissions: true, MaxRead: 65536,
		Flags: unix.MS_RDONLY | unix.MS_NODEV | unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_DIRSYNC | unix.MS_SYNCHRONOUS,
	})
	line := mounted(t, dir)
	for _, want := range []string{
		" fuse.mnttest a\\040b,c ", "ro,nosuid,nodev,noexec,noatime", "sync,dirsync", "default_permissions,allow_other", "max_read=65536",
	} {
		if !strings.Contains(line, want) {
			t.Errorf("%q not in %s", want, line)
		}
	}
	if dev, err := devOf(dir); err != nil || dev != m.Dev || m.Regular {
		t.Errorf("device %d, %v; want %d; regular %v", dev, err, m.Dev, m.Regular)
	}
	root, err := m.Root()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Unmount(0); !errors.Is(err, ErrBusy) || !errors.Is(err, unix.EBUSY) {
		t.Errorf("unmount while the root is open: %v", err)
	}
	unix.Close(root)
	if err := m.Unmount(0); err != nil {
		t.Error(err)
	}
	if err := m.Unmount(0); !errors.Is(err, unix.EINVAL) {
		t.Errorf("second unmount: %v", err)
	}
	if line := mounted(t, dir); line != "" {
		t.Error("still there:", line)
	}
}

func TestFileMountPoint(t *testing.T) {
	file := filepath.Join(mountPoint(t), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	m := mount(t, Params{Dir: file})
	if !m.Regular || mounted(t, file) == "" {
		t.Errorf("regular %v, %q", m.Regular, mounted(t, file))
	}
	if err := m.Unmount(0); err != nil {
		t.Error(err)
	}
}

func TestUnmountSparesOthers(t *testing.T) {
	dir := mountPoint(t)
	a := mount(t, Params{Dir: dir})
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=4k"); err != nil {
		t.Fatal(err)
	}
	if err := a.Unmount(0); !errors.Is(err, unix.EINVAL) {
		t.Errorf("unmounted what lies on top: %v", err)
	}
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	if err := a.Unmount(0); err != nil {
		t.Error(err)
	}
}

func TestInherit(t *testing.T) {
	dir := mountPoint(t)
	a := mount(t, Params{Dir: dir})
	fd, err := unix.Dup(a.FD)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Inherit(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if b.Dev != a.Dev || b.Dir != dir || b.Regular {
		t.Errorf("%+v", b)
	}
	if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Error("no close on exec")
	}
	if err := b.Unmount(0); err != nil {
		t.Error(err)
	}
	for _, fd := range []int{-1, 0, 1 << 20} {
		if _, err := Inherit(fd); err == nil {
			t.Errorf("fd %d was taken for a mounted /dev/fuse", fd)
		}
	}
}

func TestAbortAndReadAhead(t *testing.T) {
	m := mount(t, Params{Dir: mountPoint(t)})
	if _, err := m.SetReadAhead(4 << 20); err != nil {
		t.Fatal(err)
	}
	if old, err := m.SetReadAhead(1 << 20); err != nil || old != 4<<20 {
		t.Errorf("read-ahead %d, %v", old, err)
	}
	if err := m.Abort(); err != nil {
		t.Fatal(err)
	}
	var buf [8192]byte
	if _, err := unix.Read(m.FD, buf[:]); !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.ECONNABORTED) {
		t.Errorf("read after abort: %v", err)
	}
	if err := m.Unmount(0); err != nil {
		t.Error(err)
	}
}

func TestClone(t *testing.T) {
	m := mount(t, Params{Dir: mountPoint(t)})
	c, err := Clone(m.FD)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(c)
	if dev, ok := connection(c); !ok || dev != m.Dev {
		t.Errorf("clone belongs to %d, %v", dev, ok)
	}
}

func TestNamespace(t *testing.T) {
	dir := mountPoint(t)
	other := exec.Command("cat") // until the end of its input. No Pdeathsig: that is the death of a thread, and ours come and go
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
	m := mount(t, Params{Dir: dir, NS: fmt.Sprint(other.Process.Pid)})
	if line := mounted(t, dir); line != "" {
		t.Error("seen here:", line)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", other.Process.Pid))
	if err != nil || !strings.Contains(string(b), " "+dir+" ") {
		t.Errorf("not seen there: %v", err)
	}
	if root, err := m.Root(); err != nil {
		t.Error(err)
	} else {
		unix.Close(root)
	}
	if err := m.Unmount(0); err != nil {
		t.Error(err)
	}
	if _, err := New(Params{Dir: dir, NS: "/nowhere"}); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("no namespace: %v", err)
	}
	if _, err := New(Params{Dir: "rel", NS: "/nowhere"}); err == nil {
		t.Error("a relative path was accepted")
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	dir := mountPoint(t)
	for _, c := range []struct {
		p    Params
		want string
	}{
		{Params{Dir: dir + "/none"}, "create it first"},
		{Params{Dir: "/dev/null"}, "neither a directory nor a regular file"},
		{Params{Dir: dir, Subtype: "a,b"}, "subtype"},
		{Params{Dir: dir, FSName: "a\x00b"}, "fsname"},
		{Params{Dir: dir, AutoUnmount: true, Fusermount: "/nowhere/fusermount3"}, "install fuse3"},
	} {
		if m, err := New(c.p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q (%v)", c.p, err, c.want, m)
		}
	}
}

// run starts the test binary as a child that mounts on dir.
func run(t *testing.T, mode, dir string, attr *syscall.SysProcAttr, env ...string) (*exec.Cmd, func() string, func(string) error) {
	t.Helper()
	exe := copyOfTest(t)
	cmd := exec.Command(exe, dir)
	cmd.Env = append(append(os.Environ(), childMode+"="+mode), env...)
	cmd.SysProcAttr = attr
	var errs strings.Builder
	cmd.Stderr = &errs
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
	line := func() string {
		var b [200]byte
		n, _ := out.Read(b[:])
		return string(b[:n])
	}
	finish := func(word string) error {
		in.Write([]byte(word))
		in.Close()
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%w: %s", err, errs.String())
		}
		return nil
	}
	return cmd, line, finish
}

// copyOfTest is the test binary where an ordinary user can execute it.
func copyOfTest(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "mntexe")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	exe := filepath.Join(dir, "mnt.test")
	if err := os.WriteFile(exe, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return exe
}

const nobody = 65534

// deviceForAll gives the device the mode that udev gives it; fusermount3 opens it as its caller.
func deviceForAll(t *testing.T) {
	t.Helper()
	if err := os.Chmod("/dev/fuse", 0o666); err != nil {
		t.Fatal(err)
	}
}

func asNobody() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

func TestFusermount(t *testing.T) {
	deviceForAll(t)
	dir := mountPoint(t)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	_, line, finish := run(t, "plain", dir, asNobody())
	if s := line(); !strings.HasPrefix(s, "mounted ") || !strings.HasSuffix(s, "true\n") {
		t.Fatalf("%q, %v", s, finish(""))
	}
	table := mounted(t, dir)
	for _, want := range []string{"fuse.mnttest", `comma,back\134slash`, "user_id=65534", "nosuid,nodev"} {
		if !strings.Contains(table, want) {
			t.Errorf("%q not in %s", want, table)
		}
	}
	if err := finish("u"); err != nil {
		t.Fatal(err)
	}
	if s := mounted(t, dir); s != "" {
		t.Error("still there:", s)
	}
}

func TestFusermountMissing(t *testing.T) {
	deviceForAll(t)
	dir := mountPoint(t)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	_, _, finish := run(t, "plain", dir, asNobody(), "MNT_TEST_HELPER=/nowhere/fusermount3")
	err := finish("")
	if err == nil || !strings.Contains(err.Error(), "run as root or install fuse3") {
		t.Error(err)
	}
}

// As root: the fusermount3 of libfuse 3.14 looks at an ordinary user's dead mount with rights that the kernel refuses
// unless allow_other was given, and leaves it.
func TestAutoUnmount(t *testing.T) {
	dir := mountPoint(t)
	cmd, line, finish := run(t, "auto", dir, nil)
	if s := line(); !strings.HasPrefix(s, "mounted ") {
		t.Fatalf("%q, %v", s, finish(""))
	}
	cmd.Process.Kill()
	finish("")
	for i := 0; mounted(t, dir) != ""; i++ {
		if i > 2000 {
			t.Fatal("still mounted 20 s after the server's death")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestUserNamespace(t *testing.T) {
	dir := mountPoint(t)
	attr := &syscall.SysProcAttr{
		Cloneflags:                 unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
		GidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
		GidMappingsEnableSetgroups: false,
	}
	_, line, finish := run(t, "plain", dir, attr)
	if s := line(); !strings.HasPrefix(s, "mounted ") || !strings.HasSuffix(s, "false\n") {
		t.Fatalf("%q, %v", s, finish(""))
	}
	if s := mounted(t, dir); s != "" {
		t.Error("seen outside:", s)
	}
	if err := finish("u"); err != nil {
		t.Error(err)
	}
}

func FuzzUnescape(f *testing.F) {
	f.Add(`a\040b\`)
	f.Add(`\777\12`)
	f.Fuzz(func(t *testing.T, s string) {
		if got := unescape(s); len(got) > len(s) {
			t.Errorf("%q became longer: %q", s, got)
		}
	})
}
