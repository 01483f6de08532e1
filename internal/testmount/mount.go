//go:build linux

package testmount

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Time limits, generous: a busy machine with two cores must not reach them.
const (
	startLimit = 30 * time.Second
	stopLimit  = 30 * time.Second
	killLimit  = 10 * time.Second
	pollEvery  = 5 * time.Millisecond
)

// Config says how to mount. The zero value mounts with the daemon's defaults.
type Config struct {
	Transport string   // --transport; "" leaves the choice to the daemon
	Options   string   // -o, comma separated; "" for none
	Args      []string // more arguments of `fastfsd mount`
	Env       []string // added to the environment
	Wrap      []string // a command that runs the daemon, e.g. prlimit --nofile=1024
	Dir       string   // mount point; "" makes one
}

// Mount is a running daemon with its mount. One test owns it; Log, Abort and Kill may be called by any goroutine.
type Mount struct {
	Dir   string // mount point
	Minor int    // minor number of the mount's st_dev: its name below /sys/fs/fuse/connections

	tb      testing.TB
	cmd     *exec.Cmd
	log     logBuffer
	exited  chan struct{} // closed when the process is gone; state is set before
	state   *os.ProcessState
	stopped bool // by Stop or Kill: Cleanup has nothing to say
	ownDir  bool
}

// Start mounts src and returns when the mount is in the mount table. The end of the test takes it down; a daemon that
// does not leave cleanly then fails the test.
func Start(tb testing.TB, src string, c Config) *Mount {
	tb.Helper()
	m := &Mount{Dir: c.Dir, tb: tb, exited: make(chan struct{})}
	if m.Dir == "" {
		dir, err := os.MkdirTemp("", "fastfsd-mnt-")
		if err != nil {
			tb.Fatal(err)
		}
		m.Dir, m.ownDir = dir, true
	}
	argv := append(append([]string{}, c.Wrap...), Program(tb), "mount", src, m.Dir)
	if c.Transport != "" {
		argv = append(argv, "--transport", c.Transport)
	}
	if c.Options != "" {
		argv = append(argv, "-o", c.Options)
	}
	argv = append(argv, c.Args...)
	m.cmd = exec.Command(argv[0], argv[1:]...)
	m.cmd.Env = append(os.Environ(), c.Env...)
	m.cmd.Stdout, m.cmd.Stderr = &m.log, &m.log
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a ^C for the test run is no signal for the daemon
	m.cmd.WaitDelay = killLimit                             // a child that keeps stderr open must not keep Wait
	if err := m.cmd.Start(); err != nil {
		tb.Fatalf("testmount: %v", err)
	}
	go func() {
		_ = m.cmd.Wait() // its error is in ProcessState
		m.state = m.cmd.ProcessState
		close(m.exited)
	}()
	tb.Cleanup(m.cleanup)
	m.waitMounted()
	return m
}

func (m *Mount) waitMounted() {
	m.tb.Helper()
	for deadline := time.Now().Add(startLimit); ; time.Sleep(pollEvery) {
		if info := find(m.Dir); info != nil {
			m.Minor = info.Minor
			return
		}
		select {
		case <-m.exited:
			m.tb.Fatalf("testmount: %v: exited before it had mounted (%v)\n%s", m.cmd.Args, m.state, m.log.tail())
		default:
		}
		if time.Now().After(deadline) {
			m.tb.Fatalf("testmount: %v: not mounted after %v\n%s", m.cmd.Args, startLimit, m.log.tail())
		}
	}
}

// find returns the FUSE mount at dir, nil if there is none. It never touches the mount itself.
func find(dir string) *mountinfo.Info {
	if d, err := filepath.EvalSymlinks(filepath.Dir(dir)); err == nil {
		dir = filepath.Join(d, filepath.Base(dir))
	}
	infos, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) {
		return i.Mountpoint != dir || !strings.HasPrefix(i.FSType, "fuse"), false
	})
	if err != nil || len(infos) == 0 {
		return nil
	}
	return infos[len(infos)-1] // the topmost
}

// Mounted reports whether the mount table has the mount.
func (m *Mount) Mounted() bool { return find(m.Dir) != nil }

// PID is the daemon's process (of Config.Wrap, if that does not exec).
func (m *Mount) PID() int { return m.cmd.Process.Pid }

// Signal sends sig to the daemon.
func (m *Mount) Signal(sig os.Signal) error { return m.cmd.Process.Signal(sig) }

// Log is what the daemon has printed so far.
func (m *Mount) Log() string { return m.log.String() }

// Exited is closed when the daemon's process is gone.
func (m *Mount) Exited() <-chan struct{} { return m.exited }

// ExitCode waits for the daemon, no longer than limit. It is -1 for a daemon that a signal has ended or that still runs.
func (m *Mount) ExitCode(limit time.Duration) int {
	select {
	case <-m.exited:
		return m.state.ExitCode()
	case <-time.After(limit):
		return -1
	}
}

// Stop unmounts by SIGTERM and fails the test unless the daemon exits with 0 and the mount is gone.
func (m *Mount) Stop() {
	m.tb.Helper()
	m.stopped = true
	if err := m.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		m.tb.Errorf("testmount: SIGTERM: %v", err)
	}
	select {
	case <-m.exited:
	case <-time.After(stopLimit):
		m.tb.Errorf("testmount: still running %v after SIGTERM: killed\n%s", stopLimit, m.log.tail())
		m.takeDown()
		return
	}
	if !m.state.Success() {
		m.tb.Errorf("testmount: the daemon ended with: %v\n%s", m.state, m.log.tail())
	}
	if m.Mounted() {
		m.tb.Errorf("testmount: the daemon has ended, but %s is still mounted\n%s", m.Dir, m.log.tail())
		m.takeDown()
	}
}

// Kill ends the daemon with SIGKILL and leaves the dead mount behind, as a crash does. See Unmount.
func (m *Mount) Kill() {
	m.tb.Helper()
	m.stopped = true
	_ = m.cmd.Process.Kill() // gone already is as good
	if !m.waitExit(killLimit) {
		m.tb.Errorf("testmount: process %d survives SIGKILL", m.PID())
	}
}

// Unmount detaches the mount (umount -l) and reports a failure, also that there was none.
func (m *Mount) Unmount() error {
	if err := unix.Unmount(m.Dir, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("umount -l %s: %w", m.Dir, err)
	}
	return nil
}

// Abort ends the connection in the kernel: every request in flight and every later one fails with ECONNABORTED or
// ENOTCONN, whether the daemon answers or not.
func (m *Mount) Abort() error {
	if m.Minor == 0 {
		return errors.New("testmount: abort: nothing was mounted")
	}
	path := filepath.Join("/sys/fs/fuse/connections", strconv.Itoa(m.Minor), "abort")
	return os.WriteFile(path, []byte("1"), 0)
}

func (m *Mount) waitExit(limit time.Duration) bool {
	select {
	case <-m.exited:
		return true
	case <-time.After(limit):
		return false
	}
}

// takeDown ends daemon and mount without asking either.
func (m *Mount) takeDown() {
	if m.Mounted() {
		_ = m.Abort() // of a connection that is gone already it fails, which is fine
		_ = m.Unmount()
	}
	select {
	case <-m.exited:
	default:
		_ = syscall.Kill(-m.PID(), syscall.SIGKILL)
		m.waitExit(killLimit)
	}
}

func (m *Mount) cleanup() {
	if m.tb.Failed() {
		m.tb.Logf("testmount: %v printed:\n%s", m.cmd.Args, m.log.tail())
	}
	if !m.stopped && m.Minor != 0 {
		m.Stop()
	}
	m.takeDown()
	if m.ownDir {
		if err := os.Remove(m.Dir); err != nil { // not RemoveAll: that would empty src through a mount that stayed
			m.tb.Errorf("testmount: %v", err)
		}
	}
}
