package nodefs

import (
	"io/fs"
	"time"

	"github.com/fastfsd/fastfsd/abi"
)

// Attr is what stat(2) shows of a node.
type Attr struct {
	Mode                fs.FileMode
	Size                int64
	Ino                 uint64 // 0: the file system gives a number, which changes when the kernel forgets the node
	Nlink               uint32 // 0: 1
	Unlinked            bool   // no name is left, only open files: no links at all
	UID, GID            uint32
	Rdev                uint32
	Atime, Mtime, Ctime time.Time // zero: when the file system was made
}

// Change is what chmod(2), chown(2), truncate(2) and utimensat(2) change: what is not nil.
type Change struct {
	Mode                *fs.FileMode // permission bits, ModeSetuid, ModeSetgid, ModeSticky
	UID, GID            *uint32
	Size                *int64
	Atime, Mtime, Ctime *time.Time
	KillPriv            bool // the set-user-id and set-group-id bits go with the change of size
}

// File types and bits of st_mode (include/uapi/linux/stat.h).
const (
	unixFifo = 0o010000
	unixChar = 0o020000
	unixDir  = 0o040000
	unixBlk  = 0o060000
	unixReg  = 0o100000
	unixLink = 0o120000
	unixSock = 0o140000
	unixType = 0o170000
	unixSUID = 0o4000
	unixSGID = 0o2000
	unixVtx  = 0o1000
)

func unixMode(m fs.FileMode) uint32 {
	u := uint32(m.Perm())
	switch m.Type() {
	case fs.ModeDir:
		u |= unixDir
	case fs.ModeSymlink:
		u |= unixLink
	case fs.ModeNamedPipe:
		u |= unixFifo
	case fs.ModeSocket:
		u |= unixSock
	case fs.ModeDevice:
		u |= unixBlk
	case fs.ModeDevice | fs.ModeCharDevice:
		u |= unixChar
	default:
		u |= unixReg
	}
	for _, b := range modeBits {
		if m&b.mode != 0 {
			u |= b.unix
		}
	}
	return u
}

var modeBits = []struct {
	mode fs.FileMode
	unix uint32
}{{fs.ModeSetuid, unixSUID}, {fs.ModeSetgid, unixSGID}, {fs.ModeSticky, unixVtx}}

func goMode(u uint32) fs.FileMode {
	m := fs.FileMode(u & 0o777)
	switch u & unixType {
	case unixDir:
		m |= fs.ModeDir
	case unixLink:
		m |= fs.ModeSymlink
	case unixFifo:
		m |= fs.ModeNamedPipe
	case unixSock:
		m |= fs.ModeSocket
	case unixBlk:
		m |= fs.ModeDevice
	case unixChar:
		m |= fs.ModeDevice | fs.ModeCharDevice
	}
	for _, b := range modeBits {
		if u&b.unix != 0 {
			m |= b.mode
		}
	}
	return m
}

func split(t time.Time) (uint64, uint32) { return uint64(t.Unix()), uint32(t.Nanosecond()) }

// wire is a as it goes to the kernel; made stands for times that are not set.
func (a *Attr) wire(key uint64, made time.Time) abi.Attr {
	const block = 4096
	w := abi.Attr{
		Ino: a.Ino, Size: uint64(max(a.Size, 0)), Mode: unixMode(a.Mode), Nlink: max(a.Nlink, 1), UID: a.UID, GID: a.GID,
		Rdev: a.Rdev, Blksize: block, Blocks: (uint64(max(a.Size, 0)) + block - 1) / block * (block / 512),
	}
	if a.Unlinked {
		w.Nlink = 0
	}
	if w.Ino == 0 {
		w.Ino = key
	}
	for _, t := range []*time.Time{&a.Atime, &a.Mtime, &a.Ctime} {
		if t.IsZero() {
			*t = made
		}
	}
	w.Atime, w.AtimeNsec = split(a.Atime)
	w.Mtime, w.MtimeNsec = split(a.Mtime)
	w.Ctime, w.CtimeNsec = split(a.Ctime)
	return w
}

// change translates SETATTR.
func change(in *abi.SetattrIn) *Change {
	c := &Change{KillPriv: in.Valid&abi.FattrKillSuidgid != 0}
	if in.Valid&abi.FattrMode != 0 {
		m := goMode(in.Mode &^ unixType)
		c.Mode = &m
	}
	if in.Valid&abi.FattrUID != 0 {
		c.UID = new(in.UID)
	}
	if in.Valid&abi.FattrGID != 0 {
		c.GID = new(in.GID)
	}
	if in.Valid&abi.FattrSize != 0 {
		c.Size = new(int64(in.Size))
	}
	now := time.Now()
	at := func(set, isNow uint32, sec uint64, nsec uint32) *time.Time {
		switch {
		case in.Valid&isNow != 0:
			return &now
		case in.Valid&set != 0:
			return new(time.Unix(int64(sec), int64(nsec)))
		}
		return nil
	}
	c.Atime = at(abi.FattrAtime, abi.FattrAtimeNow, in.Atime, in.AtimeNsec)
	c.Mtime = at(abi.FattrMtime, abi.FattrMtimeNow, in.Mtime, in.MtimeNsec)
	c.Ctime = at(abi.FattrCtime, 0, in.Ctime, in.CtimeNsec)
	return c
}
