package abi

import "structs"

// InHeader is struct fuse_in_header (include/uapi/linux/fuse.h), 40 bytes.
type InHeader struct {
	_ structs.HostLayout

	Len         uint32
	Opcode      Opcode
	Unique      uint64
	NodeID      uint64
	UID         uint32
	GID         uint32
	PID         uint32
	TotalExtlen uint16
	Padding     uint16
}

// OutHeader is struct fuse_out_header (include/uapi/linux/fuse.h), 16 bytes.
type OutHeader struct {
	_ structs.HostLayout

	Len    uint32
	Error  int32
	Unique uint64
}

// ExtHeader is struct fuse_ext_header (include/uapi/linux/fuse.h), 8 bytes.
type ExtHeader struct {
	_ structs.HostLayout

	Size uint32
	Type uint32
}

// SuppGroups is struct fuse_supp_groups (include/uapi/linux/fuse.h), 4 bytes.
type SuppGroups struct {
	_ structs.HostLayout

	NrGroups uint32
}

// SecctxHeader is struct fuse_secctx_header (include/uapi/linux/fuse.h), 8 bytes.
type SecctxHeader struct {
	_ structs.HostLayout

	Size     uint32
	NrSecctx uint32
}

// Secctx is struct fuse_secctx (include/uapi/linux/fuse.h), 8 bytes.
type Secctx struct {
	_ structs.HostLayout

	Size    uint32
	Padding uint32
}
