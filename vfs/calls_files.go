package vfs

import (
	"math"

	"github.com/fastfsd/fastfsd/abi"
)

func initFileCalls() {
	calls[abi.OpOpen] = doOpen
	calls[abi.OpOpendir] = doOpen
	calls[abi.OpCreate] = doCreate
	calls[abi.OpTmpfile] = doCreate
	calls[abi.OpRead] = doRead
	calls[abi.OpWrite] = doWrite
	calls[abi.OpRelease] = doRelease
	calls[abi.OpReleasedir] = doRelease
	calls[abi.OpFlush] = doFlush
	calls[abi.OpFsync] = doFsync
	calls[abi.OpFsyncdir] = doFsync
	calls[abi.OpReaddir] = doReaddir
	calls[abi.OpReaddirplus] = doReaddir
	calls[abi.OpGetlk] = doGetlk
	calls[abi.OpSetlk] = doSetlk
	calls[abi.OpSetlkw] = doSetlk
	calls[abi.OpIoctl] = doIoctl
	calls[abi.OpPoll] = doPoll
	calls[abi.OpFallocate] = doFallocate
	calls[abi.OpLseek] = doLseek
	calls[abi.OpCopyFileRange] = doCopyFileRange
	calls[abi.OpCopyFileRange64] = doCopyFileRange
}

// doOpen is ENOSYS where OPEN was negotiated away: only then does the kernel leave it out.
func doOpen(c *Conn, op *Op) Errno {
	dir := op.hdr.Opcode == abi.OpOpendir
	if c.noOpen(dir) {
		return ENOSYS
	}
	op.opened = Opened{}
	f := op.ops.Open
	if dir {
		f = op.ops.Opendir
	}
	if f != nil {
		if e := f(op, op.key(0), op.args.Open(), &op.opened); e != OK {
			return e
		}
	}
	var out abi.OpenOut
	if e := c.openHandle(op, &out, op.ents[0], dir); e != OK {
		return e
	}
	op.n = put(op, &out)
	return OK
}

// noOpen says whether files, or directories, are worked on without having been opened.
func (c *Conn) noOpen(dir bool) bool {
	if dir {
		return c.flags()&abi.InitNoOpendirSupport != 0
	}
	return c.flags()&abi.InitNoOpenSupport != 0
}

func doCreate(c *Conn, op *Op) Errno {
	op.entry, op.opened = Entry{}, Opened{}
	var e Errno
	switch {
	case op.hdr.Opcode == abi.OpCreate && op.ops.Create != nil:
		e = op.ops.Create(op, op.key(0), op.nameArg(0), op.args.Create(), &op.entry, &op.opened)
	case op.hdr.Opcode == abi.OpTmpfile && op.ops.Tmpfile != nil:
		e = op.ops.Tmpfile(op, op.key(0), op.args.Create(), &op.entry, &op.opened)
	default:
		return c.missing(op)
	}
	if e != OK {
		return e
	}
	if op.entry.Negative {
		return EIO
	}
	id := c.adopt(op, &op.entry)
	if id == 0 {
		c.releaseOpened(op)
		return ENFILE
	}
	op.gotNode = id
	var out struct {
		abi.EntryOut
		abi.OpenOut
	}
	fillEntry(&out.EntryOut, id, &op.entry)
	if c.noOpen(false) { // there will be no RELEASE
		c.releaseOpened(op)
		out.OpenFlags = op.opened.Flags
		op.n = put(op, &out)
		return OK
	}
	// The node cannot go away: its lookup is not known to the peer yet.
	if e := c.openHandle(op, &out.OpenOut, c.nodes.at(uint32(id)), false); e != OK {
		c.giveBack(op)
		return e
	}
	op.n = put(op, &out)
	return OK
}

// releaseOpened gives back an open file that is not handed out.
func (c *Conn) releaseOpened(op *Op) {
	fs := c.systemOf(op.opened.FS, c.systemOf(op.entry.FS, op.ents[0].fs.Load()))
	f := op.opened.Open
	if op.opened.FS == nil {
		f.Node = op.entry.Key
	}
	c.system(fs).Release(f, 0, 0)
}

// ranged says whether [off, off+n) is a range of a file.
func ranged(off, n uint64) bool { return off <= math.MaxInt64 && n <= math.MaxInt64-off }

func doRead(c *Conn, op *Op) Errno {
	in := op.args.Read()
	if op.ops.Read == nil {
		return EOPNOTSUPP
	}
	n := min(uint64(in.Size), uint64(len(op.reply)))
	if !ranged(in.Offset, n) {
		return EINVAL
	}
	p, e := op.ops.Read(op, op.open[0], int64(in.Offset), int32(n), in)
	if e == OK && p.File == nil && len(p.Bytes) > int(n) {
		return EIO
	}
	if p.File != nil {
		p.N = min(p.N, int32(n))
	}
	return op.payloadReply(p, e)
}

func doWrite(c *Conn, op *Op) Errno {
	in := op.args.Write()
	if op.ops.Write == nil {
		return EOPNOTSUPP
	}
	if !ranged(in.Offset, uint64(in.Size)) {
		return EFBIG
	}
	data, e := op.writeData()
	if e != OK {
		return e
	}
	p, e := op.ops.Write(op, op.open[0], int64(in.Offset), data, in)
	if e != OK || p.File != nil {
		return op.payloadReply(p, e)
	}
	op.n = put(op, &abi.WriteOut{Size: uint32(p.N)})
	return OK
}

// doRelease acknowledges at once; the file system's Release comes after the last use. A flock goes before.
func doRelease(c *Conn, op *Op) Errno {
	in := op.args.Release()
	h := c.handles.get(in.Fh)
	if h == nil {
		if in.Fh == 0 {
			return OK // never opened
		}
		return EBADF
	}
	if in.ReleaseFlags&abi.ReleaseFlockUnlock != 0 && op.ops.Unflock != nil && op.hdr.Opcode == abi.OpRelease {
		op.ops.Unflock(op.open[0], in.LockOwner)
	}
	if !c.dropHandle(h, in.Fh, in.Flags, in.LockOwner) {
		return EBADF
	}
	return OK
}

func doFlush(c *Conn, op *Op) Errno {
	if op.ops.Flush == nil {
		return c.optional(op)
	}
	return op.ops.Flush(op, op.open[0], op.args.Flush())
}

// optional is the answer for FLUSH and FSYNC of a file system that has nothing to do then.
func (c *Conn) optional(op *Op) Errno {
	if c.missing(op) == ENOSYS {
		return ENOSYS
	}
	return OK
}

func doFsync(c *Conn, op *Op) Errno {
	f := op.ops.Fsync
	if op.hdr.Opcode == abi.OpFsyncdir {
		f = op.ops.Fsyncdir
	}
	if f == nil {
		return c.optional(op)
	}
	return f(op, op.open[0], op.args.Fsync().FsyncFlags&abi.FsyncFdatasync != 0)
}

func doReaddir(c *Conn, op *Op) Errno {
	if op.ops.Readdir == nil {
		return EOPNOTSUPP
	}
	in := op.args.Read()
	op.n = 0
	op.dir = dirWriter{
		op: op, fs: op.ents[0].fs.Load(), size: min(int(in.Size), len(op.reply)),
		plus: op.hdr.Opcode == abi.OpReaddirplus,
	}
	e := op.ops.Readdir(op, op.open[0], in.Offset, op.dir.plus, &op.dir)
	if op.n > 0 { // entries were counted: a short answer instead of a second run or an error
		return OK
	}
	return e
}

// F_RDLCK, F_WRLCK, F_UNLCK (include/uapi/asm-generic/fcntl.h).
const lockTypeMax = 2

// loadLock fills op.lock from the request.
func (op *Op) loadLock() Errno {
	in := op.args.Lk()
	if in.Lk.Type > lockTypeMax || in.Lk.Start > in.Lk.End || in.Lk.Start > math.MaxInt64 ||
		in.LkFlags&^abi.LkFlock != 0 {
		return EINVAL
	}
	op.lock = Lock{Owner: in.Owner, FileLock: in.Lk, Flock: in.LkFlags&abi.LkFlock != 0}
	return OK
}

func doGetlk(c *Conn, op *Op) Errno {
	if op.ops.Getlk == nil {
		return c.missing(op)
	}
	if e := op.loadLock(); e != OK {
		return e
	}
	if e := op.ops.Getlk(op, op.open[0], &op.lock); e != OK {
		return e
	}
	op.n = put(op, &abi.LkOut{Lk: op.lock.FileLock})
	return OK
}

func doSetlk(c *Conn, op *Op) Errno {
	if op.ops.Setlk == nil {
		return c.missing(op)
	}
	if e := op.loadLock(); e != OK {
		return e
	}
	return op.ops.Setlk(op, op.open[0], &op.lock, op.hdr.Opcode == abi.OpSetlkw)
}

func doIoctl(c *Conn, op *Op) Errno {
	if op.ops.Ioctl == nil {
		return ENOTTY
	}
	in := op.args.Ioctl()
	const head = 16 // struct fuse_ioctl_out
	if in.Flags&abi.IoctlUnrestricted != 0 || len(op.reply) < head {
		return ENOTTY
	}
	op.res32 = 0
	p, e := op.ops.Ioctl(op, op.open[0], in, op.data, &op.res32)
	if e != OK {
		return op.payloadReply(p, e)
	}
	n := min(len(p.Bytes), int(in.OutSize), len(op.reply)-head)
	copy(op.reply[head:], p.Bytes[:n]) // memmove: they may overlap
	op.n = put(op, &abi.IoctlOut{Result: op.res32}) + n
	return OK
}

func doPoll(c *Conn, op *Op) Errno {
	if op.ops.Poll == nil {
		return c.missing(op)
	}
	op.num32 = 0
	if e := op.ops.Poll(op, op.open[0], op.args.Poll(), &op.num32); e != OK {
		return e
	}
	op.n = put(op, &abi.PollOut{Revents: op.num32})
	return OK
}

func doFallocate(c *Conn, op *Op) Errno {
	if op.ops.Fallocate == nil {
		return c.missing(op)
	}
	in := op.args.Fallocate()
	if !ranged(in.Offset, in.Length) || in.Length == 0 {
		return EINVAL
	}
	return op.ops.Fallocate(op, op.open[0], in)
}

// SEEK_HOLE is the highest whence (include/uapi/linux/fs.h).
const seekMax = 4

func doLseek(c *Conn, op *Op) Errno {
	// Linux asks for holes without having written back what it has collected, so only itself can say what is data: without
	// LSEEK it takes everything up to the end for it.
	if c.flags()&abi.InitWritebackCache != 0 {
		return ENOSYS
	}
	if op.ops.Lseek == nil {
		return c.missing(op)
	}
	in := op.args.Lseek()
	if in.Whence > seekMax {
		return EINVAL
	}
	if e := op.ops.Lseek(op, op.open[0], int64(in.Offset), in.Whence, &op.off); e != OK {
		return e
	}
	op.n = put(op, &abi.LseekOut{Offset: uint64(op.off)})
	return OK
}

func doCopyFileRange(c *Conn, op *Op) Errno {
	if op.ops.CopyFileRange == nil {
		return c.missing(op)
	}
	in := op.args.CopyFileRange()
	n := in.Len
	wide := op.hdr.Opcode == abi.OpCopyFileRange64
	if in.OffIn > math.MaxInt64 || in.OffOut > math.MaxInt64 || in.Flags != 0 {
		return EINVAL
	}
	n = min(n, math.MaxInt64-max(in.OffIn, in.OffOut))
	if !wide {
		n = min(n, math.MaxUint32&^(pageSize-1)) // the answer has 32 bits
	}
	op.num = 0
	if e := op.ops.CopyFileRange(op, op.open[0], int64(in.OffIn), op.open[1], int64(in.OffOut), n, in.Flags, &op.num); e != OK {
		return e
	}
	if wide {
		op.n = put(op, &abi.CopyFileRangeOut{BytesCopied: op.num})
	} else {
		op.n = put(op, &abi.WriteOut{Size: uint32(op.num)})
	}
	return OK
}
