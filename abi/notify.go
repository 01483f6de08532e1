package abi

import "structs"

// NotifyPollWakeupOut is struct fuse_notify_poll_wakeup_out (include/uapi/linux/fuse.h), 8 bytes.
type NotifyPollWakeupOut struct {
	_ structs.HostLayout

	Kh uint64
}

// NotifyInvalInodeOut is struct fuse_notify_inval_inode_out (include/uapi/linux/fuse.h), 24 bytes.
type NotifyInvalInodeOut struct {
	_ structs.HostLayout

	Ino uint64
	Off int64
	Len int64
}

// NotifyInvalEntryOut is struct fuse_notify_inval_entry_out (include/uapi/linux/fuse.h), 16 bytes.
type NotifyInvalEntryOut struct {
	_ structs.HostLayout

	Parent  uint64
	Namelen uint32
	Flags   uint32
}

// NotifyDeleteOut is struct fuse_notify_delete_out (include/uapi/linux/fuse.h), 24 bytes.
type NotifyDeleteOut struct {
	_ structs.HostLayout

	Parent  uint64
	Child   uint64
	Namelen uint32
	Padding uint32
}

// NotifyPruneOut is struct fuse_notify_prune_out (include/uapi/linux/fuse.h), 16 bytes.
type NotifyPruneOut struct {
	_ structs.HostLayout

	Count   uint32
	Padding uint32
	Spare   uint64
}

// NotifyStoreOut is struct fuse_notify_store_out (include/uapi/linux/fuse.h), 24 bytes.
type NotifyStoreOut struct {
	_ structs.HostLayout

	NodeID  uint64
	Offset  uint64
	Size    uint32
	Padding uint32
}

// NotifyRetrieveOut is struct fuse_notify_retrieve_out (include/uapi/linux/fuse.h), 32 bytes.
type NotifyRetrieveOut struct {
	_ structs.HostLayout

	NotifyUnique uint64
	NodeID       uint64
	Offset       uint64
	Size         uint32
	Padding      uint32
}

// NotifyRetrieveIn is struct fuse_notify_retrieve_in (include/uapi/linux/fuse.h), 40 bytes.
type NotifyRetrieveIn struct {
	_ structs.HostLayout

	Dummy1 uint64
	Offset uint64
	Size   uint32
	Dummy2 uint32
	Dummy3 uint64
	Dummy4 uint64
}
