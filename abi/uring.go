package abi

import "structs"

// BackingMap is struct fuse_backing_map (include/uapi/linux/fuse.h), 16 bytes.
type BackingMap struct {
	_ structs.HostLayout

	FD      int32
	Flags   uint32
	Padding uint64
}

// UringEntInOut is struct fuse_uring_ent_in_out (include/uapi/linux/fuse.h), 32 bytes.
type UringEntInOut struct {
	_ structs.HostLayout

	Flags     uint64
	CommitID  uint64
	PayloadSz uint32
	Padding   uint32
	Reserved  uint64
}

// UringReqHeader is struct fuse_uring_req_header (include/uapi/linux/fuse.h), 288 bytes.
type UringReqHeader struct {
	_ structs.HostLayout

	InOut        [128]uint8
	OpIn         [128]uint8
	RingEntInOut UringEntInOut
}

// UringCmdReq is struct fuse_uring_cmd_req (include/uapi/linux/fuse.h), 24 bytes.
type UringCmdReq struct {
	_ structs.HostLayout

	Flags    uint64
	CommitID uint64
	Qid      uint16
	Padding  [6]uint8
}
