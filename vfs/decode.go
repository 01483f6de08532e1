package vfs

import (
	"bytes"

	"github.com/fastfsd/fastfsd/abi"
)

// xattrSizeMax is the largest value of an extended attribute (XATTR_SIZE_MAX).
const xattrSizeMax = 64 << 10

// decode copies the argument and the names into the op and checks every size.
func (c *Conn) decode(op *Op, args, payload []byte) Errno {
	code := op.hdr.Opcode
	op.data = nil
	if !code.Known() {
		return ENOSYS
	}
	if !op.args.Load(code, c.flags(), args) {
		return EINVAL
	}
	if op.hdr.TotalExtlen != 0 {
		rest, exts, ok := abi.CutExts(payload, op.hdr.TotalExtlen)
		if !ok {
			return EINVAL
		}
		payload = rest
		if e := op.decodeExts(exts); e != OK {
			return e
		}
	}
	for i := range abi.NameCount(code) {
		name, rest, ok := abi.CutName(payload)
		if !ok {
			return EINVAL
		}
		if e := op.decodeName(i, name); e != OK {
			return e
		}
		payload = rest
	}
	return op.decodeData(c, payload)
}

// decodeName copies the i-th name. A name that the peer changes meanwhile is checked in its copy.
func (op *Op) decodeName(i int, name []byte) Errno {
	code := op.hdr.Opcode
	if code == abi.OpSymlink && i == 1 {
		switch {
		case len(name) == 0:
			return ENOENT
		case len(name) > TargetMax:
			return ENAMETOOLONG
		}
		op.tlen = copy(op.target[:], name)
		op.target[op.tlen] = 0
		return noNUL(op.target[:op.tlen])
	}
	xattr := code == abi.OpSetxattr || code == abi.OpGetxattr || code == abi.OpRemovexattr
	if len(name) > NameMax {
		if xattr {
			return ERANGE
		}
		return ENAMETOOLONG
	}
	n := copy(op.name[i][:], name)
	op.name[i][n] = 0
	op.nlen[i] = n
	b := op.name[i][:n]
	if n == 0 || !xattr && (Name(b).Dots() || bytes.IndexByte(b, '/') >= 0) {
		return EINVAL
	}
	return noNUL(b)
}

func noNUL(b []byte) Errno {
	if bytes.IndexByte(b, 0) >= 0 {
		return EINVAL
	}
	return OK
}

// nameArg is the i-th name of the request.
func (op *Op) nameArg(i int) Name { return Name(op.name[i][: op.nlen[i] : op.nlen[i]+1]) }

func (op *Op) targetArg() Name { return Name(op.target[: op.tlen : op.tlen+1]) }

func (op *Op) decodeExts(x abi.Exts) Errno {
	for {
		typ, body, done, ok := x.Next()
		switch {
		case !ok:
			return EINVAL
		case done:
			return OK
		case typ == abi.ExtGroups:
			gid, n, ok := abi.Group(body)
			if !ok || op.hasGroup {
				return EINVAL
			}
			op.group, op.hasGroup = gid, n > 0
		case typ <= abi.MaxNrSecctx:
			if op.secctx != nil {
				return EINVAL
			}
			if typ > 0 {
				op.secctx = bytes.Clone(body) // rare, and the payload is the peer's to change
			}
		default: // an extension of a later protocol
		}
	}
}

// decodeData takes what follows the names.
func (op *Op) decodeData(c *Conn, payload []byte) Errno {
	switch op.hdr.Opcode {
	case abi.OpWrite:
		n := op.args.Write().Size
		if uint64(n) > uint64(len(payload)) || c.neg.Load() != nil && n > c.neg.Load().MaxWrite {
			return EINVAL
		}
		op.data = payload[:n]
	case abi.OpSetxattr:
		n := op.args.Setxattr().Size
		if n > xattrSizeMax {
			return E2BIG
		}
		if uint64(n) > uint64(len(payload)) {
			return EINVAL
		}
		op.data = payload[:n]
	case abi.OpIoctl:
		n := op.args.Ioctl().InSize
		if uint64(n) > uint64(len(payload)) {
			return EINVAL
		}
		op.data = payload[:n]
	default:
		op.data = payload
	}
	return OK
}
