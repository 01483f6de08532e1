package vfs

import (
	"time"

	"github.com/fastfsd/fastfsd/abi"
)

// calls has one function per opcode: it calls the file system's method and encodes the result. Preconditions:
// target has succeeded. INIT, FORGET and the like never come here.
var calls [abi.OpMax + 1]func(*Conn, *Op) Errno

func init() {
	for i := range calls {
		calls[i] = func(*Conn, *Op) Errno { return ENOSYS }
	}
	calls[abi.OpLookup] = doLookup
	calls[abi.OpGetattr] = doGetattr
	calls[abi.OpSetattr] = doSetattr
	calls[abi.OpStatx] = doStatx
	calls[abi.OpReadlink] = doReadlink
	calls[abi.OpSymlink] = doSymlink
	calls[abi.OpMknod] = doMknod
	calls[abi.OpMkdir] = doMkdir
	calls[abi.OpUnlink] = doUnlink
	calls[abi.OpRmdir] = doRmdir
	calls[abi.OpRename] = doRename
	calls[abi.OpRename2] = doRename
	calls[abi.OpLink] = doLink
	calls[abi.OpAccess] = doAccess
	calls[abi.OpStatfs] = doStatfs
	calls[abi.OpSyncfs] = doSyncfs
	calls[abi.OpBmap] = doBmap
	calls[abi.OpSetxattr] = doSetxattr
	calls[abi.OpGetxattr] = doGetxattr
	calls[abi.OpListxattr] = doListxattr
	calls[abi.OpRemovexattr] = doRemovexattr
	initFileCalls()
}

// missing is the answer for an operation that the file system lacks and the kernel can do without. ENOSYS is for life, the kernel
// never asks this connection again: it is given only where the root lacks the operation too and nothing may come below it.
func (c *Conn) missing(op *Op) Errno {
	if c.opts.Composite || c.root.has(op.hdr.Opcode) {
		return EOPNOTSUPP
	}
	return ENOSYS
}

func doLookup(c *Conn, op *Op) Errno {
	if op.ops.Lookup == nil {
		return ENOENT
	}
	op.entry = Entry{}
	e := op.ops.Lookup(op, op.key(0), op.nameArg(0), &op.entry)
	if (e == ENOENT || e == OK && op.entry.Negative) && c.flags()&abi.InitWritebackCache != 0 {
		op.entry.Negative, op.entry.EntryTTL = true, max(op.entry.EntryTTL, newbornTTL)
		e = OK
	}
	if e != OK {
		return e
	}
	return c.replyEntry(op)
}

// newbornTTL is how long a name that was not there is so at least, under writeback: long enough to make it. Linux throws the entry of a
// name away when somebody meets it without any validity, even if a CREATE of it is under way. Its file is then looked up once more,
// perhaps with a size of before its first writes, and a kernel that keeps sizes by itself believes that: the next writes
// go over the first.
const newbornTTL = time.Second

func doGetattr(c *Conn, op *Op) Errno {
	if op.ops.Getattr == nil {
		return EOPNOTSUPP
	}
	op.stat = Stat{}
	if e := op.ops.Getattr(op, op.key(0), op.maybe(), &op.stat); e != OK {
		return e
	}
	return op.replyStat()
}

func doSetattr(c *Conn, op *Op) Errno {
	if op.ops.Setattr == nil {
		return EPERM
	}
	in := op.args.Setattr()
	if in.Valid&^abi.FattrAll != 0 || in.Valid&abi.FattrSize != 0 && int64(in.Size) < 0 ||
		in.AtimeNsec >= 1e9 || in.MtimeNsec >= 1e9 || in.CtimeNsec >= 1e9 {
		return EINVAL
	}
	op.stat = Stat{}
	if e := op.ops.Setattr(op, op.key(0), op.maybe(), in, &op.stat); e != OK {
		return e
	}
	return op.replyStat()
}

func doStatx(c *Conn, op *Op) Errno {
	if op.ops.Statx == nil {
		return c.missing(op)
	}
	op.statx = abi.StatxOut{}
	if e := op.ops.Statx(op, op.key(0), op.maybe(), op.args.Statx(), &op.statx); e != OK {
		return e
	}
	op.n = put(op, &op.statx)
	return OK
}

func doReadlink(c *Conn, op *Op) Errno {
	if op.ops.Readlink == nil {
		return EINVAL
	}
	return op.payloadReply(op.ops.Readlink(op, op.key(0)))
}

func doSymlink(c *Conn, op *Op) Errno {
	if op.ops.Symlink == nil {
		return EPERM
	}
	op.entry = Entry{}
	if e := op.ops.Symlink(op, op.key(0), op.nameArg(0), op.targetArg(), &op.entry); e != OK {
		return e
	}
	return c.replyEntry(op)
}

func doMknod(c *Conn, op *Op) Errno {
	if op.ops.Mknod == nil {
		return c.missing(op) // ENOSYS here is only an errno for the caller
	}
	op.entry = Entry{}
	if e := op.ops.Mknod(op, op.key(0), op.nameArg(0), op.args.Mknod(), &op.entry); e != OK {
		return e
	}
	return c.replyEntry(op)
}

func doMkdir(c *Conn, op *Op) Errno {
	if op.ops.Mkdir == nil {
		return EPERM
	}
	op.entry = Entry{}
	if e := op.ops.Mkdir(op, op.key(0), op.nameArg(0), op.args.Mkdir(), &op.entry); e != OK {
		return e
	}
	return c.replyEntry(op)
}

func doUnlink(c *Conn, op *Op) Errno {
	if op.ops.Unlink == nil {
		return EPERM
	}
	return op.ops.Unlink(op, op.key(0), op.nameArg(0))
}

func doRmdir(c *Conn, op *Op) Errno {
	if op.ops.Rmdir == nil {
		return EPERM
	}
	return op.ops.Rmdir(op, op.key(0), op.nameArg(0))
}

// RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT (include/uapi/linux/fs.h).
const renameAll = 1 | 2 | 4

func doRename(c *Conn, op *Op) Errno {
	if op.ops.Rename == nil {
		return EPERM
	}
	var flags uint32
	if op.hdr.Opcode == abi.OpRename2 {
		flags = op.args.Rename2().Flags
		if flags&^renameAll != 0 || flags&2 != 0 && flags&^2 != 0 {
			return EINVAL
		}
	}
	return op.ops.Rename(op, op.key(0), op.nameArg(0), op.key(1), op.nameArg(1), flags)
}

func doLink(c *Conn, op *Op) Errno {
	if op.ops.Link == nil {
		return EPERM
	}
	op.entry = Entry{}
	if e := op.ops.Link(op, op.key(1), op.key(0), op.nameArg(0), &op.entry); e != OK {
		return e
	}
	return c.replyEntry(op)
}

func doAccess(c *Conn, op *Op) Errno {
	if op.ops.Access == nil {
		return c.missing(op)
	}
	return op.ops.Access(op, op.key(0), op.args.Access().Mask)
}

func doStatfs(c *Conn, op *Op) Errno {
	op.statfs = abi.Kstatfs{Bsize: 4096, Frsize: 4096, Namelen: NameMax}
	if op.ops.Statfs != nil {
		if e := op.ops.Statfs(op, op.key(0), &op.statfs); e != OK {
			return e
		}
	}
	op.n = put(op, &op.statfs)
	return OK
}

func doSyncfs(c *Conn, op *Op) Errno {
	if op.ops.Syncfs == nil {
		return c.missing(op)
	}
	return op.ops.Syncfs(op, op.key(0))
}

func doBmap(c *Conn, op *Op) Errno {
	if op.ops.Bmap == nil {
		return c.missing(op)
	}
	in := op.args.Bmap()
	if in.Blocksize == 0 {
		return EINVAL
	}
	if e := op.ops.Bmap(op, op.key(0), in.Block, in.Blocksize, &op.num); e != OK {
		return e
	}
	op.n = put(op, &abi.BmapOut{Block: op.num})
	return OK
}

// XATTR_CREATE, XATTR_REPLACE (include/uapi/linux/xattr.h).
const xattrFlagsAll = 1 | 2

func doSetxattr(c *Conn, op *Op) Errno {
	if op.ops.Setxattr == nil {
		return c.missing(op)
	}
	in := op.args.Setxattr()
	if in.Flags&^xattrFlagsAll != 0 || in.Flags == xattrFlagsAll {
		return EINVAL
	}
	return op.ops.Setxattr(op, op.key(0), op.nameArg(0), op.data, in)
}

// sizedReply answers GETXATTR and LISTXATTR: the size alone where size is 0.
func (op *Op) sizedReply(size int, p Payload, e Errno) Errno {
	if e == OK && size == 0 {
		op.n = put(op, &abi.GetxattrOut{Size: uint32(p.N)})
		return OK
	}
	if e == OK && len(p.Bytes) > size {
		return ERANGE
	}
	return op.payloadReply(p, e)
}

// xattrSize clamps what the caller offers to what there can be.
func (op *Op) xattrSize() int {
	return min(int(op.args.Getxattr().Size), xattrSizeMax, len(op.reply))
}

func doGetxattr(c *Conn, op *Op) Errno {
	if op.ops.Getxattr == nil {
		return c.missing(op)
	}
	n := op.xattrSize()
	p, e := op.ops.Getxattr(op, op.key(0), op.nameArg(0), n)
	return op.sizedReply(n, p, e)
}

func doListxattr(c *Conn, op *Op) Errno {
	if op.ops.Listxattr == nil {
		return c.missing(op)
	}
	n := op.xattrSize()
	p, e := op.ops.Listxattr(op, op.key(0), n)
	return op.sizedReply(n, p, e)
}

func doRemovexattr(c *Conn, op *Op) Errno {
	if op.ops.Removexattr == nil {
		return c.missing(op)
	}
	return op.ops.Removexattr(op, op.key(0), op.nameArg(0))
}
