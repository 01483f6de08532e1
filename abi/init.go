package abi

import "structs"

// InitIn is struct fuse_init_in (include/uapi/linux/fuse.h), 64 bytes.
type InitIn struct {
	_ structs.HostLayout

	Major        uint32
	Minor        uint32
	MaxReadahead uint32
	Flags        uint32
	Flags2       uint32
	Unused       [11]uint32
}

// InitOut is struct fuse_init_out (include/uapi/linux/fuse.h), 64 bytes.
type InitOut struct {
	_ structs.HostLayout

	Major               uint32
	Minor               uint32
	MaxReadahead        uint32
	Flags               uint32
	MaxBackground       uint16
	CongestionThreshold uint16
	MaxWrite            uint32
	TimeGran            uint32
	MaxPages            uint16
	MapAlignment        uint16
	Flags2              uint32
	MaxStackDepth       uint32
	RequestTimeout      uint16
	Unused              [11]uint16
}
