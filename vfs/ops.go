package vfs

import "github.com/fastfsd/fastfsd/abi"

// Ops is a file system resolved: what node and handle entries point to. A nil member is "not implemented"; Release,
// Forget and Retain are never nil. A wrapper copies its child's Ops (Clone) and replaces what it changes: the rest costs nothing
// and nothing is forgotten. An Ops does not change once a connection has seen it.
type Ops struct {
	Root   Key
	Inline bool

	FarWrites bool // see FarWriter

	Lookup        func(*Op, Key, Name, *Entry) Errno
	Getattr       func(*Op, Key, *Open, *Stat) Errno
	Setattr       func(*Op, Key, *Open, *abi.SetattrIn, *Stat) Errno
	Readlink      func(*Op, Key) (Payload, Errno)
	Symlink       func(*Op, Key, Name, Name, *Entry) Errno
	Mknod         func(*Op, Key, Name, *abi.MknodIn, *Entry) Errno
	Mkdir         func(*Op, Key, Name, *abi.MkdirIn, *Entry) Errno
	Unlink        func(*Op, Key, Name) Errno
	Rmdir         func(*Op, Key, Name) Errno
	Rename        func(*Op, Key, Name, Key, Name, uint32) Errno
	Link          func(*Op, Key, Key, Name, *Entry) Errno
	Open          func(*Op, Key, *abi.OpenIn, *Opened) Errno
	Create        func(*Op, Key, Name, *abi.CreateIn, *Entry, *Opened) Errno
	Tmpfile       func(*Op, Key, *abi.CreateIn, *Entry, *Opened) Errno
	Read          func(*Op, Open, int64, int32, *abi.ReadIn) (Payload, Errno)
	Write         func(*Op, Open, int64, []byte, *abi.WriteIn) (Payload, Errno)
	Statfs        func(*Op, Key, *abi.Kstatfs) Errno
	Flush         func(*Op, Open, *abi.FlushIn) Errno
	Fsync         func(*Op, Open, bool) Errno
	Fsyncdir      func(*Op, Open, bool) Errno
	Setxattr      func(*Op, Key, Name, []byte, *abi.SetxattrIn) Errno
	Getxattr      func(*Op, Key, Name, int) (Payload, Errno)
	Listxattr     func(*Op, Key, int) (Payload, Errno)
	Removexattr   func(*Op, Key, Name) Errno
	Opendir       func(*Op, Key, *abi.OpenIn, *Opened) Errno
	Readdir       func(*Op, Open, uint64, bool, DirSink) Errno
	Getlk         func(*Op, Open, *Lock) Errno
	Setlk         func(*Op, Open, *Lock, bool) Errno
	Access        func(*Op, Key, uint32) Errno
	Bmap          func(*Op, Key, uint64, uint32, *uint64) Errno
	Ioctl         func(*Op, Open, *abi.IoctlIn, []byte, *int32) (Payload, Errno)
	Poll          func(*Op, Open, *abi.PollIn, *uint32) Errno
	Fallocate     func(*Op, Open, *abi.FallocateIn) Errno
	Lseek         func(*Op, Open, int64, uint32, *int64) Errno
	CopyFileRange func(*Op, Open, int64, Open, int64, uint64, uint64, *uint64) Errno
	Syncfs        func(*Op, Key) Errno
	Statx         func(*Op, Key, *Open, *abi.StatxIn, *abi.StatxOut) Errno

	Cancel     func(Token)
	Release    func(Open, uint32, uint64)
	Releasedir func(Open)
	Unflock    func(Open, uint64)
	Forget     func(Key, uint64)
	Retain     func(Key)
	Attach     func(*Conn)
	Destroy    func()
}

// Clone is a copy to change.
func (o *Ops) Clone() *Ops { c := *o; return &c }

// Ready says whether a composite may call o now: without it a file system that is not Inline would run on a loop.
func (o *Ops) Ready(op *Op) bool { return o.Inline || !op.Nonblock() }

// member sets *f to the method that get takes from fs, if fs implements I.
func member[I, F any](fs any, f *F, get func(I) F) {
	if x, ok := fs.(I); ok {
		*f = get(x)
	}
}

// Resolve turns the interfaces that fs implements into its table. Once, at mount.
func Resolve(fs any) *Ops {
	if t, ok := fs.(Tabler); ok {
		return t.Ops()
	}
	o := &Ops{
		Release: func(Open, uint32, uint64) {}, Forget: func(Key, uint64) {}, Retain: func(Key) {},
		Attach: func(*Conn) {}, Destroy: func() {},
	}
	if x, ok := fs.(Rooter); ok {
		o.Root = x.Root()
	}
	if x, ok := fs.(Inliner); ok {
		o.Inline = x.Inline()
	}
	if x, ok := fs.(FarWriter); ok {
		o.FarWrites = x.FarWrites()
	}
	resolveNames(fs, o)
	resolveFiles(fs, o)
	resolveRest(fs, o)
	if o.Releasedir == nil {
		rel := o.Release
		o.Releasedir = func(f Open) { rel(f, 0, 0) }
	}
	return o
}

func resolveNames(fs any, o *Ops) {
	member(fs, &o.Lookup, func(x Lookuper) func(*Op, Key, Name, *Entry) Errno { return x.Lookup })
	member(fs, &o.Getattr, func(x Getattrer) func(*Op, Key, *Open, *Stat) Errno { return x.Getattr })
	member(fs, &o.Setattr, func(x Setattrer) func(*Op, Key, *Open, *abi.SetattrIn, *Stat) Errno { return x.Setattr })
	member(fs, &o.Readlink, func(x Readlinker) func(*Op, Key) (Payload, Errno) { return x.Readlink })
	member(fs, &o.Symlink, func(x Symlinker) func(*Op, Key, Name, Name, *Entry) Errno { return x.Symlink })
	member(fs, &o.Mknod, func(x Mknoder) func(*Op, Key, Name, *abi.MknodIn, *Entry) Errno { return x.Mknod })
	member(fs, &o.Mkdir, func(x Mkdirer) func(*Op, Key, Name, *abi.MkdirIn, *Entry) Errno { return x.Mkdir })
	member(fs, &o.Unlink, func(x Unlinker) func(*Op, Key, Name) Errno { return x.Unlink })
	member(fs, &o.Rmdir, func(x Rmdirer) func(*Op, Key, Name) Errno { return x.Rmdir })
	member(fs, &o.Rename, func(x Renamer) func(*Op, Key, Name, Key, Name, uint32) Errno { return x.Rename })
	member(fs, &o.Link, func(x Linker) func(*Op, Key, Key, Name, *Entry) Errno { return x.Link })
	member(fs, &o.Create, func(x Creater) func(*Op, Key, Name, *abi.CreateIn, *Entry, *Opened) Errno { return x.Create })
	member(fs, &o.Tmpfile, func(x Tmpfiler) func(*Op, Key, *abi.CreateIn, *Entry, *Opened) Errno { return x.Tmpfile })
	member(fs, &o.Access, func(x Accesser) func(*Op, Key, uint32) Errno { return x.Access })
	member(fs, &o.Setxattr, func(x Setxattrer) func(*Op, Key, Name, []byte, *abi.SetxattrIn) Errno { return x.Setxattr })
	member(fs, &o.Getxattr, func(x Getxattrer) func(*Op, Key, Name, int) (Payload, Errno) { return x.Getxattr })
	member(fs, &o.Listxattr, func(x Listxattrer) func(*Op, Key, int) (Payload, Errno) { return x.Listxattr })
	member(fs, &o.Removexattr, func(x Removexattrer) func(*Op, Key, Name) Errno { return x.Removexattr })
}

func resolveFiles(fs any, o *Ops) {
	member(fs, &o.Open, func(x Opener) func(*Op, Key, *abi.OpenIn, *Opened) Errno { return x.Open })
	member(fs, &o.Read, func(x Reader) func(*Op, Open, int64, int32, *abi.ReadIn) (Payload, Errno) { return x.Read })
	member(fs, &o.Write, func(x Writer) func(*Op, Open, int64, []byte, *abi.WriteIn) (Payload, Errno) { return x.Write })
	member(fs, &o.Flush, func(x Flusher) func(*Op, Open, *abi.FlushIn) Errno { return x.Flush })
	member(fs, &o.Fsync, func(x Fsyncer) func(*Op, Open, bool) Errno { return x.Fsync })
	member(fs, &o.Fsyncdir, func(x Fsyncdirer) func(*Op, Open, bool) Errno { return x.Fsyncdir })
	member(fs, &o.Opendir, func(x Opendirer) func(*Op, Key, *abi.OpenIn, *Opened) Errno { return x.Opendir })
	member(fs, &o.Readdir, func(x Readdirer) func(*Op, Open, uint64, bool, DirSink) Errno { return x.Readdir })
	member(fs, &o.Getlk, func(x Getlker) func(*Op, Open, *Lock) Errno { return x.Getlk })
	member(fs, &o.Setlk, func(x Setlker) func(*Op, Open, *Lock, bool) Errno { return x.Setlk })
	member(fs, &o.Ioctl, func(x Ioctler) func(*Op, Open, *abi.IoctlIn, []byte, *int32) (Payload, Errno) { return x.Ioctl })
	member(fs, &o.Poll, func(x Poller) func(*Op, Open, *abi.PollIn, *uint32) Errno { return x.Poll })
	member(fs, &o.Fallocate, func(x Fallocater) func(*Op, Open, *abi.FallocateIn) Errno { return x.Fallocate })
	member(fs, &o.Lseek, func(x Lseeker) func(*Op, Open, int64, uint32, *int64) Errno { return x.Lseek })
	member(fs, &o.CopyFileRange, func(x CopyFileRanger) func(*Op, Open, int64, Open, int64, uint64, uint64, *uint64) Errno {
		return x.CopyFileRange
	})
}

func resolveRest(fs any, o *Ops) {
	member(fs, &o.Statfs, func(x Statfser) func(*Op, Key, *abi.Kstatfs) Errno { return x.Statfs })
	member(fs, &o.Bmap, func(x Bmaper) func(*Op, Key, uint64, uint32, *uint64) Errno { return x.Bmap })
	member(fs, &o.Syncfs, func(x Syncfser) func(*Op, Key) Errno { return x.Syncfs })
	member(fs, &o.Statx, func(x Statxer) func(*Op, Key, *Open, *abi.StatxIn, *abi.StatxOut) Errno { return x.Statx })
	member(fs, &o.Cancel, func(x Canceler) func(Token) { return x.Cancel })
	member(fs, &o.Release, func(x Releaser) func(Open, uint32, uint64) { return x.Release })
	member(fs, &o.Releasedir, func(x Releasedirer) func(Open) { return x.Releasedir })
	member(fs, &o.Unflock, func(x Unflocker) func(Open, uint64) { return x.Unflock })
	member(fs, &o.Forget, func(x Forgetter) func(Key, uint64) { return x.Forget })
	member(fs, &o.Retain, func(x Retainer) func(Key) { return x.Retain })
	member(fs, &o.Attach, func(x Attacher) func(*Conn) { return x.Attach })
	member(fs, &o.Destroy, func(x Destroyer) func() { return x.Destroy })
}

// has says whether the table has an operation whose absence the kernel remembers.
func (o *Ops) has(code abi.Opcode) bool {
	switch code {
	case abi.OpFlush:
		return o.Flush != nil
	case abi.OpFsync:
		return o.Fsync != nil
	case abi.OpFsyncdir:
		return o.Fsyncdir != nil
	case abi.OpAccess:
		return o.Access != nil
	case abi.OpCreate:
		return o.Create != nil
	case abi.OpTmpfile:
		return o.Tmpfile != nil
	case abi.OpMknod:
		return o.Mknod != nil
	case abi.OpSetxattr:
		return o.Setxattr != nil
	case abi.OpGetxattr:
		return o.Getxattr != nil
	case abi.OpListxattr:
		return o.Listxattr != nil
	case abi.OpRemovexattr:
		return o.Removexattr != nil
	case abi.OpGetlk:
		return o.Getlk != nil
	case abi.OpSetlk, abi.OpSetlkw:
		return o.Setlk != nil
	case abi.OpBmap:
		return o.Bmap != nil
	case abi.OpPoll:
		return o.Poll != nil
	case abi.OpFallocate:
		return o.Fallocate != nil
	case abi.OpLseek:
		return o.Lseek != nil
	case abi.OpCopyFileRange, abi.OpCopyFileRange64:
		return o.CopyFileRange != nil
	case abi.OpSyncfs:
		return o.Syncfs != nil
	case abi.OpStatx:
		return o.Statx != nil
	}
	return false
}
