//go:build linux

package passthrough

import (
	"os"
	"structs"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// creds switches the calling thread's file-system ids. All system calls here are raw: they change one thread, where
// package syscall would change all. The caller runs on a locked thread.
type creds struct {
	root   bool // this process may switch
	gid    uint32
	groups []uint32
}

func (c *creds) init() {
	c.root, c.gid = os.Geteuid() == 0, uint32(os.Getegid())
	if gs, err := unix.Getgroups(); err == nil {
		for _, g := range gs {
			c.groups = append(c.groups, uint32(g))
		}
	}
}

// as takes the caller's ids on for a call that creates something; restore ends it. False: nothing was switched.
// Supplementary groups are the one that the client's kernel named, or none: the server's own would let a caller keep
// S_ISGID in a directory whose group it is not in.
func (c *creds) as(op *vfs.Op) (bool, vfs.Errno) {
	if !c.root || op.UID == 0 && op.GID == c.gid {
		return false, 0
	}
	group, ok := op.Group()
	if ok {
		if e := setgroups(unsafe.Pointer(&group), 1); e != 0 {
			return false, e
		}
	} else if len(c.groups) > 0 {
		if e := setgroups(nil, 0); e != 0 {
			return false, e
		}
	}
	setfs(unix.SYS_SETFSGID, op.GID)
	setfs(unix.SYS_SETFSUID, op.UID)
	if uint32(setfs(unix.SYS_SETFSUID, ^uint32(0))) != op.UID || uint32(setfs(unix.SYS_SETFSGID, ^uint32(0))) != op.GID {
		c.restore(op)
		return false, vfs.EPERM
	}
	return true, 0
}

// restore puts the server's ids back; a thread that cannot have them back is marked and ends.
func (c *creds) restore(op *vfs.Op) {
	setfs(unix.SYS_SETFSUID, 0)
	setfs(unix.SYS_SETFSGID, c.gid)
	ok := setfs(unix.SYS_SETFSUID, ^uint32(0)) == 0 && uint32(setfs(unix.SYS_SETFSGID, ^uint32(0))) == c.gid
	if _, has := op.Group(); has || len(c.groups) > 0 {
		ok = setgroups(unsafe.Pointer(unsafe.SliceData(c.groups)), len(c.groups)) == 0 && ok
	}
	if !ok {
		op.SetTainted()
	}
}

func setgroups(list unsafe.Pointer, n int) vfs.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(n), uintptr(list), 0)
	return vfs.Errno(e)
}

// setfs is setfsuid or setfsgid, which return the id before and cannot fail otherwise.
func setfs(nr uintptr, id uint32) uintptr {
	old, _, _ := unix.RawSyscall(nr, uintptr(id), 0, 0)
	return old
}

type capHeader struct {
	_ structs.HostLayout

	version uint32
	pid     int32
}

type capData struct {
	_ structs.HostLayout

	effective, permitted, inheritable uint32
}

const (
	capVersion3 = 0x20080522
	capFsetid   = 1 << 4
)

// dropFsetid takes CAP_FSETID off this thread, so that the host drops suid and sgid as it would for the caller.
func (c *creds) dropFsetid(*vfs.Op) (bool, vfs.Errno) {
	if !c.root {
		return false, 0
	}
	return true, setFsetid(false)
}

// restoreFsetid takes it back.
func (c *creds) restoreFsetid(op *vfs.Op, dropped bool) {
	if dropped && setFsetid(true) != 0 {
		op.SetTainted()
	}
}

func setFsetid(on bool) vfs.Errno {
	h := capHeader{version: capVersion3}
	var d [2]capData
	if _, _, e := unix.RawSyscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&h)), uintptr(unsafe.Pointer(&d)), 0); e != 0 {
		return vfs.Errno(e)
	}
	if on {
		d[0].effective |= capFsetid & d[0].permitted
	} else {
		d[0].effective &^= capFsetid
	}
	return capset(&h, &d)
}

func capset(h *capHeader, d *[2]capData) vfs.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(h)), uintptr(unsafe.Pointer(d)), 0)
	return vfs.Errno(e)
}
