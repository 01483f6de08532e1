package abi

import "structs"

// Attr is struct fuse_attr (include/uapi/linux/fuse.h), 88 bytes.
type Attr struct {
	_ structs.HostLayout

	Ino       uint64
	Size      uint64
	Blocks    uint64
	Atime     uint64
	Mtime     uint64
	Ctime     uint64
	AtimeNsec uint32
	MtimeNsec uint32
	CtimeNsec uint32
	Mode      uint32
	Nlink     uint32
	UID       uint32
	GID       uint32
	Rdev      uint32
	Blksize   uint32
	Flags     uint32
}

// SxTime is struct fuse_sx_time (include/uapi/linux/fuse.h), 16 bytes.
type SxTime struct {
	_ structs.HostLayout

	TvSec    int64
	TvNsec   uint32
	Reserved int32
}

// Statx is struct fuse_statx (include/uapi/linux/fuse.h), 256 bytes.
type Statx struct {
	_ structs.HostLayout

	Mask           uint32
	Blksize        uint32
	Attributes     uint64
	Nlink          uint32
	UID            uint32
	GID            uint32
	Mode           uint16
	Spare0         [1]uint16
	Ino            uint64
	Size           uint64
	Blocks         uint64
	AttributesMask uint64
	Atime          SxTime
	Btime          SxTime
	Ctime          SxTime
	Mtime          SxTime
	RdevMajor      uint32
	RdevMinor      uint32
	DevMajor       uint32
	DevMinor       uint32
	Spare2         [14]uint64
}

// Kstatfs is struct fuse_kstatfs (include/uapi/linux/fuse.h), 80 bytes.
type Kstatfs struct {
	_ structs.HostLayout

	Blocks  uint64
	Bfree   uint64
	Bavail  uint64
	Files   uint64
	Ffree   uint64
	Bsize   uint32
	Namelen uint32
	Frsize  uint32
	Padding uint32
	Spare   [6]uint32
}

// EntryOut is struct fuse_entry_out (include/uapi/linux/fuse.h), 128 bytes.
type EntryOut struct {
	_ structs.HostLayout

	NodeID         uint64
	Generation     uint64
	EntryValid     uint64
	AttrValid      uint64
	EntryValidNsec uint32
	AttrValidNsec  uint32
	Attr           Attr
}

// GetattrIn is struct fuse_getattr_in (include/uapi/linux/fuse.h), 16 bytes.
type GetattrIn struct {
	_ structs.HostLayout

	GetattrFlags uint32
	Dummy        uint32
	Fh           uint64
}

// AttrOut is struct fuse_attr_out (include/uapi/linux/fuse.h), 104 bytes.
type AttrOut struct {
	_ structs.HostLayout

	AttrValid     uint64
	AttrValidNsec uint32
	Dummy         uint32
	Attr          Attr
}

// StatxIn is struct fuse_statx_in (include/uapi/linux/fuse.h), 24 bytes.
type StatxIn struct {
	_ structs.HostLayout

	GetattrFlags uint32
	Reserved     uint32
	Fh           uint64
	SxFlags      uint32
	SxMask       uint32
}

// StatxOut is struct fuse_statx_out (include/uapi/linux/fuse.h), 288 bytes.
type StatxOut struct {
	_ structs.HostLayout

	AttrValid     uint64
	AttrValidNsec uint32
	Flags         uint32
	Spare         [2]uint64
	Stat          Statx
}

// SetattrIn is struct fuse_setattr_in (include/uapi/linux/fuse.h), 88 bytes.
type SetattrIn struct {
	_ structs.HostLayout

	Valid     uint32
	Padding   uint32
	Fh        uint64
	Size      uint64
	LockOwner uint64
	Atime     uint64
	Mtime     uint64
	Ctime     uint64
	AtimeNsec uint32
	MtimeNsec uint32
	CtimeNsec uint32
	Mode      uint32
	Unused4   uint32
	UID       uint32
	GID       uint32
	Unused5   uint32
}

// StatfsOut is struct fuse_statfs_out (include/uapi/linux/fuse.h), 80 bytes.
type StatfsOut struct {
	_ structs.HostLayout

	St Kstatfs
}
