package abi

import "bytes"

// ArgMax is the largest fixed argument: the op_in area of FUSE over io_uring.
const ArgMax = 128

// HeaderSize and OutHeaderSize are the sizes of InHeader and OutHeader in bytes.
const (
	HeaderSize    = 40
	OutHeaderSize = 16
)

// argSizes: the size of the first fixed argument of each opcode. INIT's smallest form; SETXATTR's long one.
var argSizes = [OpMax + 1]uint8{
	OpForget: 8, OpGetattr: 16, OpSetattr: 88, OpMknod: 16, OpMkdir: 8, OpRename: 8, OpLink: 8, OpOpen: 8, OpRead: 40,
	OpWrite: 40, OpRelease: 24, OpFsync: 16, OpSetxattr: 16, OpGetxattr: 8, OpListxattr: 8, OpFlush: 24, OpInit: 8,
	OpOpendir: 8, OpReaddir: 40, OpReleasedir: 24, OpFsyncdir: 16, OpGetlk: 48, OpSetlk: 48, OpSetlkw: 48, OpAccess: 8,
	OpCreate: 16, OpInterrupt: 8, OpBmap: 16, OpIoctl: 32, OpPoll: 24, OpNotifyReply: 40, OpBatchForget: 8,
	OpFallocate: 32, OpReaddirplus: 40, OpRename2: 16, OpLseek: 24, OpCopyFileRange: 56, OpSetupmapping: 40,
	OpRemovemapping: 4, OpSyncfs: 8, OpTmpfile: 16, OpStatx: 24, OpCopyFileRange64: 56,
}

// ArgSize is the size of the opcode's fixed argument on the wire, given what INIT negotiated; 0: it has none; -1:
// unknown opcode. INIT's grows with the peer's version: its smallest form is named, and Args.Load takes all there is.
func ArgSize(op Opcode, flags InitFlags) int {
	if !op.Known() {
		return -1
	}
	if op == OpSetxattr && flags&InitSetxattrExt == 0 {
		return 8 // FUSE_COMPAT_SETXATTR_IN_SIZE
	}
	return int(argSizes[op])
}

// NameCount is how many NUL-terminated strings follow the fixed argument. SYMLINK's second one is the target.
func NameCount(op Opcode) int {
	switch op {
	case OpLookup, OpUnlink, OpRmdir, OpMknod, OpMkdir, OpLink, OpCreate, OpSetxattr, OpGetxattr, OpRemovexattr:
		return 1
	case OpRename, OpRename2, OpSymlink:
		return 2
	}
	return 0
}

// CutName takes one NUL-terminated string off the payload. False: there is no NUL.
func CutName(payload []byte) (name, rest []byte, ok bool) {
	i := bytes.IndexByte(payload, 0)
	if i < 0 {
		return nil, payload, false
	}
	return payload[:i], payload[i+1:], true
}

// Split cuts the body of a contiguous message (what follows the header) into fixed argument and payload. False: the
// body is too short, or the opcode unknown. INIT's argument is the whole body.
func Split(op Opcode, flags InitFlags, body []byte) (args, payload []byte, ok bool) {
	n := ArgSize(op, flags)
	if n < 0 || len(body) < n {
		return nil, nil, false
	}
	if op == OpInit {
		return body[:min(len(body), 64)], nil, true
	}
	return body[:n], body[n:], true
}

// Args holds a fixed argument, copied from the peer once, aligned for the typed views (Setattr, Read, …).
type Args struct {
	_ [0]uint64
	B [ArgMax]byte
}

// Load copies src, as much as the opcode's argument needs, and clears the rest. False: src is too short or the opcode
// unknown.
func (a *Args) Load(op Opcode, flags InitFlags, src []byte) bool {
	n := ArgSize(op, flags)
	if n < 0 || len(src) < n {
		return false
	}
	if op == OpInit {
		n = min(len(src), 64)
	}
	copy(a.B[:n], src)
	if n == 8 && op == OpSetxattr { // the long form's fields must read as 0
		clear(a.B[8:16])
	} else if op == OpInit {
		clear(a.B[n:64])
	}
	return true
}
