package abi

import "structs"

// ForgetIn is struct fuse_forget_in (include/uapi/linux/fuse.h), 8 bytes.
type ForgetIn struct {
	_ structs.HostLayout

	Nlookup uint64
}

// ForgetOne is struct fuse_forget_one (include/uapi/linux/fuse.h), 16 bytes.
type ForgetOne struct {
	_ structs.HostLayout

	NodeID  uint64
	Nlookup uint64
}

// BatchForgetIn is struct fuse_batch_forget_in (include/uapi/linux/fuse.h), 8 bytes.
type BatchForgetIn struct {
	_ structs.HostLayout

	Count uint32
	Dummy uint32
}

// MknodIn is struct fuse_mknod_in (include/uapi/linux/fuse.h), 16 bytes.
type MknodIn struct {
	_ structs.HostLayout

	Mode    uint32
	Rdev    uint32
	Umask   uint32
	Padding uint32
}

// MkdirIn is struct fuse_mkdir_in (include/uapi/linux/fuse.h), 8 bytes.
type MkdirIn struct {
	_ structs.HostLayout

	Mode  uint32
	Umask uint32
}

// Rename2In is struct fuse_rename2_in (include/uapi/linux/fuse.h), 16 bytes.
type Rename2In struct {
	_ structs.HostLayout

	NewDir  uint64
	Flags   uint32
	Padding uint32
}

// LinkIn is struct fuse_link_in (include/uapi/linux/fuse.h), 8 bytes.
type LinkIn struct {
	_ structs.HostLayout

	OldNodeID uint64
}

// CreateIn is struct fuse_create_in (include/uapi/linux/fuse.h), 16 bytes.
type CreateIn struct {
	_ structs.HostLayout

	Flags     uint32
	Mode      uint32
	Umask     uint32
	OpenFlags uint32
}

// SetxattrIn is struct fuse_setxattr_in (include/uapi/linux/fuse.h), 16 bytes.
type SetxattrIn struct {
	_ structs.HostLayout

	Size          uint32
	Flags         uint32
	SetxattrFlags uint32
	Padding       uint32
}

// GetxattrIn is struct fuse_getxattr_in (include/uapi/linux/fuse.h), 8 bytes.
type GetxattrIn struct {
	_ structs.HostLayout

	Size    uint32
	Padding uint32
}

// GetxattrOut is struct fuse_getxattr_out (include/uapi/linux/fuse.h), 8 bytes.
type GetxattrOut struct {
	_ structs.HostLayout

	Size    uint32
	Padding uint32
}

// AccessIn is struct fuse_access_in (include/uapi/linux/fuse.h), 8 bytes.
type AccessIn struct {
	_ structs.HostLayout

	Mask    uint32
	Padding uint32
}

// Dirent is struct fuse_dirent (include/uapi/linux/fuse.h), 24 bytes.
type Dirent struct {
	_ structs.HostLayout

	Ino     uint64
	Off     uint64
	Namelen uint32
	Type    uint32
}

// Direntplus is struct fuse_direntplus (include/uapi/linux/fuse.h), 152 bytes.
type Direntplus struct {
	_ structs.HostLayout

	EntryOut EntryOut
	Dirent   Dirent
}

// RenameIn is struct fuse_rename_in (include/uapi/linux/fuse.h), 8 bytes.
type RenameIn struct {
	_ structs.HostLayout

	NewDir uint64
}
