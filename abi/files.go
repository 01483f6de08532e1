package abi

import "structs"

// FileLock is struct fuse_file_lock (include/uapi/linux/fuse.h), 24 bytes.
type FileLock struct {
	_ structs.HostLayout

	Start uint64
	End   uint64
	Type  uint32
	PID   uint32
}

// OpenIn is struct fuse_open_in (include/uapi/linux/fuse.h), 8 bytes.
type OpenIn struct {
	_ structs.HostLayout

	Flags     uint32
	OpenFlags uint32
}

// OpenOut is struct fuse_open_out (include/uapi/linux/fuse.h), 16 bytes.
type OpenOut struct {
	_ structs.HostLayout

	Fh        uint64
	OpenFlags uint32
	BackingID int32
}

// ReleaseIn is struct fuse_release_in (include/uapi/linux/fuse.h), 24 bytes.
type ReleaseIn struct {
	_ structs.HostLayout

	Fh           uint64
	Flags        uint32
	ReleaseFlags uint32
	LockOwner    uint64
}

// FlushIn is struct fuse_flush_in (include/uapi/linux/fuse.h), 24 bytes.
type FlushIn struct {
	_ structs.HostLayout

	Fh        uint64
	Unused    uint32
	Padding   uint32
	LockOwner uint64
}

// ReadIn is struct fuse_read_in (include/uapi/linux/fuse.h), 40 bytes.
type ReadIn struct {
	_ structs.HostLayout

	Fh        uint64
	Offset    uint64
	Size      uint32
	ReadFlags uint32
	LockOwner uint64
	Flags     uint32
	Padding   uint32
}

// WriteIn is struct fuse_write_in (include/uapi/linux/fuse.h), 40 bytes.
type WriteIn struct {
	_ structs.HostLayout

	Fh         uint64
	Offset     uint64
	Size       uint32
	WriteFlags uint32
	LockOwner  uint64
	Flags      uint32
	Padding    uint32
}

// WriteOut is struct fuse_write_out (include/uapi/linux/fuse.h), 8 bytes.
type WriteOut struct {
	_ structs.HostLayout

	Size    uint32
	Padding uint32
}

// FsyncIn is struct fuse_fsync_in (include/uapi/linux/fuse.h), 16 bytes.
type FsyncIn struct {
	_ structs.HostLayout

	Fh         uint64
	FsyncFlags uint32
	Padding    uint32
}

// LkIn is struct fuse_lk_in (include/uapi/linux/fuse.h), 48 bytes.
type LkIn struct {
	_ structs.HostLayout

	Fh      uint64
	Owner   uint64
	Lk      FileLock
	LkFlags uint32
	Padding uint32
}

// LkOut is struct fuse_lk_out (include/uapi/linux/fuse.h), 24 bytes.
type LkOut struct {
	_ structs.HostLayout

	Lk FileLock
}

// InterruptIn is struct fuse_interrupt_in (include/uapi/linux/fuse.h), 8 bytes.
type InterruptIn struct {
	_ structs.HostLayout

	Unique uint64
}

// BmapIn is struct fuse_bmap_in (include/uapi/linux/fuse.h), 16 bytes.
type BmapIn struct {
	_ structs.HostLayout

	Block     uint64
	Blocksize uint32
	Padding   uint32
}

// BmapOut is struct fuse_bmap_out (include/uapi/linux/fuse.h), 8 bytes.
type BmapOut struct {
	_ structs.HostLayout

	Block uint64
}

// IoctlIn is struct fuse_ioctl_in (include/uapi/linux/fuse.h), 32 bytes.
type IoctlIn struct {
	_ structs.HostLayout

	Fh      uint64
	Flags   uint32
	Cmd     uint32
	Arg     uint64
	InSize  uint32
	OutSize uint32
}

// IoctlIovec is struct fuse_ioctl_iovec (include/uapi/linux/fuse.h), 16 bytes.
type IoctlIovec struct {
	_ structs.HostLayout

	Base uint64
	Len  uint64
}

// IoctlOut is struct fuse_ioctl_out (include/uapi/linux/fuse.h), 16 bytes.
type IoctlOut struct {
	_ structs.HostLayout

	Result  int32
	Flags   uint32
	InIovs  uint32
	OutIovs uint32
}

// PollIn is struct fuse_poll_in (include/uapi/linux/fuse.h), 24 bytes.
type PollIn struct {
	_ structs.HostLayout

	Fh     uint64
	Kh     uint64
	Flags  uint32
	Events uint32
}

// PollOut is struct fuse_poll_out (include/uapi/linux/fuse.h), 8 bytes.
type PollOut struct {
	_ structs.HostLayout

	Revents uint32
	Padding uint32
}

// FallocateIn is struct fuse_fallocate_in (include/uapi/linux/fuse.h), 32 bytes.
type FallocateIn struct {
	_ structs.HostLayout

	Fh      uint64
	Offset  uint64
	Length  uint64
	Mode    uint32
	Padding uint32
}

// LseekIn is struct fuse_lseek_in (include/uapi/linux/fuse.h), 24 bytes.
type LseekIn struct {
	_ structs.HostLayout

	Fh      uint64
	Offset  uint64
	Whence  uint32
	Padding uint32
}

// LseekOut is struct fuse_lseek_out (include/uapi/linux/fuse.h), 8 bytes.
type LseekOut struct {
	_ structs.HostLayout

	Offset uint64
}

// CopyFileRangeIn is struct fuse_copy_file_range_in (include/uapi/linux/fuse.h), 56 bytes.
type CopyFileRangeIn struct {
	_ structs.HostLayout

	FhIn      uint64
	OffIn     uint64
	NodeIDOut uint64
	FhOut     uint64
	OffOut    uint64
	Len       uint64
	Flags     uint64
}

// CopyFileRangeOut is struct fuse_copy_file_range_out (include/uapi/linux/fuse.h), 8 bytes.
type CopyFileRangeOut struct {
	_ structs.HostLayout

	BytesCopied uint64
}

// SyncfsIn is struct fuse_syncfs_in (include/uapi/linux/fuse.h), 8 bytes.
type SyncfsIn struct {
	_ structs.HostLayout

	Padding uint64
}

// SetupmappingIn is struct fuse_setupmapping_in (include/uapi/linux/fuse.h), 40 bytes.
type SetupmappingIn struct {
	_ structs.HostLayout

	Fh      uint64
	FOffset uint64
	Len     uint64
	Flags   uint64
	MOffset uint64
}

// RemovemappingIn is struct fuse_removemapping_in (include/uapi/linux/fuse.h), 4 bytes.
type RemovemappingIn struct {
	_ structs.HostLayout

	Count uint32
}

// RemovemappingOne is struct fuse_removemapping_one (include/uapi/linux/fuse.h), 16 bytes.
type RemovemappingOne struct {
	_ structs.HostLayout

	MOffset uint64
	Len     uint64
}
