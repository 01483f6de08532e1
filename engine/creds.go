//go:build linux

package engine

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

var errCreds = errors.New("engine: the thread's credentials are not its own")

// creds is what a thread was when it started. The calls of package unix change all threads, so system calls do it.
type creds struct {
	ruid, euid, suid int
	rgid, egid, sgid int
	fsuid, fsgid     uintptr
	groups           []uint32
	caps             [2]unix.CapUserData
}

func (c *creds) save() error {
	c.ruid, c.euid, c.suid = unix.Getresuid()
	c.rgid, c.egid, c.sgid = unix.Getresgid()
	c.fsuid, _, _ = unix.RawSyscall(unix.SYS_SETFSUID, ^uintptr(0), 0, 0)
	c.fsgid, _, _ = unix.RawSyscall(unix.SYS_SETFSGID, ^uintptr(0), 0, 0)
	var err error
	if c.groups, err = threadGroups(); err != nil {
		return err
	}
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return unix.Capget(&h, &c.caps[0])
}

func (c *creds) equal(d *creds) bool {
	return c.ruid == d.ruid && c.euid == d.euid && c.suid == d.suid && c.rgid == d.rgid && c.egid == d.egid && c.sgid == d.sgid &&
		c.fsuid == d.fsuid && c.fsgid == d.fsgid && c.caps == d.caps && slices.Equal(c.groups, d.groups)
}

// restore puts them back, and looks whether they are.
func (c *creds) restore() error {
	var now creds
	if err := now.save(); err == nil && now.equal(c) {
		return nil
	}
	unix.RawSyscall(unix.SYS_SETRESUID, uintptr(c.ruid), uintptr(c.euid), uintptr(c.suid))
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	_ = unix.Capset(&h, &c.caps[0]) // what follows needs them; the comparison below is what counts
	setThreadGroups(c.groups)
	unix.RawSyscall(unix.SYS_SETRESGID, uintptr(c.rgid), uintptr(c.egid), uintptr(c.sgid))
	unix.RawSyscall(unix.SYS_SETFSGID, c.fsgid, 0, 0)
	unix.RawSyscall(unix.SYS_SETFSUID, c.fsuid, 0, 0)
	_ = unix.Capset(&h, &c.caps[0])
	if err := now.save(); err != nil {
		return err
	}
	if !now.equal(c) {
		return errCreds
	}
	return nil
}
