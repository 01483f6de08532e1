package faults

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// children are what the test binary does instead of testing, by the environment variable that holds the arguments.
var children = map[string]func(args []string) error{
	serveManyEnv: serveMany,
	useOwnEnv:    useOwn,
	helloEnv:     hello,
}

// child is such a process, and the folder in which it mounts.
type child struct {
	cmd   *exec.Cmd
	dir   string
	log   bytes.Buffer // its stderr
	ended chan error   // what Wait said
	over  bool         // it was taken from there
}

// newChild prepares one. It is given the share and the folder. Whatever happens, the end of the test leaves neither process nor mount.
func newChild(t *testing.T, env, src string, more ...string) *child {
	t.Helper()
	dir, err := os.MkdirTemp("", "fastfsd-child-")
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command("/proc/self/exe"), dir: dir, ended: make(chan error, 1)}
	c.cmd.Env = append(append(os.Environ(), env+"="+src+" "+dir), more...)
	c.cmd.Stderr = &c.log
	t.Cleanup(func() { c.remove(t) })
	return c
}

// start starts it. The end of the test waits for the process's.
func (c *child) start(t *testing.T) {
	t.Helper()
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.ended <- c.cmd.Wait() }()
	t.Cleanup(func() { c.wait(t, 0) })
}

// wait wants the process to end well. One that has not done so by then is ended.
func (c *child) wait(t *testing.T, limit time.Duration) {
	t.Helper()
	if c.over {
		return
	}
	c.over = true
	var err error
	select {
	case err = <-c.ended:
	case <-time.After(limit):
		c.kill()
		select {
		case <-c.ended:
			err = fmt.Errorf("stopped after %v", limit)
		case <-time.After(killLimit): // nothing can end a thread that waits for a request on a ring whose own thread is gone
			t.Fatalf("process %d cannot be ended", c.cmd.Process.Pid)
		}
	}
	if err != nil && !t.Failed() {
		t.Errorf("the process: %v\n%s", err, &c.log)
	}
}

// within ends the process and cuts its mounts if f takes too long: then f's calls fail.
func (c *child) within(t *testing.T, limit time.Duration, f func()) {
	t.Helper()
	late := time.AfterFunc(limit, func() {
		t.Errorf("not done after %v", limit)
		c.kill()
	})
	defer late.Stop()
	f()
}

func (c *child) mounts() []*mountinfo.Info {
	list, err := mountinfo.GetMounts(mountinfo.PrefixFilter(c.dir))
	if err != nil {
		panic(err)
	}
	return list
}

// kill cuts the mounts first: a process that waits for its own mount cannot be killed.
func (c *child) kill() {
	for _, m := range c.mounts() {
		_ = os.WriteFile(fmt.Sprintf("/sys/fs/fuse/connections/%d/abort", m.Minor), []byte("1"), 0)
	}
	_ = c.cmd.Process.Kill()
}

// remove takes the mount points away.
func (c *child) remove(t *testing.T) {
	for _, m := range c.mounts() {
		_ = unix.Unmount(m.Mountpoint, unix.MNT_DETACH)
	}
	points, err := os.ReadDir(c.dir)
	for _, p := range points { // not RemoveAll: that would empty the share through a mount that stayed
		err = errors.Join(err, os.Remove(filepath.Join(c.dir, p.Name())))
	}
	if err := errors.Join(err, os.Remove(c.dir)); err != nil {
		t.Error(err)
	}
}
