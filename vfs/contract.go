package vfs

import (
	"time"

	"github.com/fastfsd/fastfsd/abi"
)

type (
	// Key is a file system's own name of a node: an index into its tables, never a wire id, never a pointer.
	Key uint64
	// Handle is a file system's own name of an open file.
	Handle uint64
	// Open is an open file. Both halves belong to the file system that returned it.
	Open struct {
		Node Key
		H    Handle
	}
)

// Stat is the result of GETATTR and SETATTR: attributes as they go over the wire, and how long the kernel may keep them.
type Stat struct {
	Attr abi.Attr
	TTL  time.Duration
}

// Entry is the result of LOOKUP and its relatives. Every Entry that is returned with OK, or given to DirSink.Add, carries
// ONE reference to Key. The receiver (the connection's table, a Mux, an overlay) owes it back through Forget(key, n); it may
// merge references, never invent or lose one. On any other result, WouldBlock and Pending included, it carries nothing.
type Entry struct {
	FS       *Ops // nil: the file system that was asked. Set only where a node of another one is handed out
	Key      Key
	Stat     Stat
	EntryTTL time.Duration
	Negative bool // there is no such name and EntryTTL says how long that holds; Key unused
}

// Opened is the result of OPEN, OPENDIR, CREATE and TMPFILE. One Release is owed.
type Opened struct {
	FS      *Ops   // as in Entry
	Open           // Node may stay 0: the connection fills in the node that was opened
	Flags   uint32 // abi.Fopen*
	Backing *File  // a file that the kernel may read and write by itself (kernel passthrough); nil: none
}

// Lock is the argument and, for GETLK, the result of a lock call.
type Lock struct {
	Owner uint64
	abi.FileLock
	Flock bool // flock(2) rather than a range
}

// DirSink takes the entries of a directory. Add owns e's reference from the call on, whatever it returns; false means
// full: stop, and let the next READDIR begin with this entry. next is the cookie of the entry after this one, typ a DT_*. e is nil for "."
// and ".." and for plain READDIR. Room tells beforehand, so that nobody looks up an entry for nothing.
type DirSink interface {
	Room(nameLen int) bool
	Add(op *Op, name Name, next, ino uint64, typ uint32, e *Entry) bool
}

// The operations, one interface each. A file system implements what it has; the rest is answered as the protocol wants
// it (see Conn). f is nil, or an open file of the same file system. in points to the request's argument, copied
// from the peer once, valid until the method returns.
type (
	Lookuper interface {
		Lookup(op *Op, dir Key, name Name, out *Entry) Errno
	}
	Getattrer interface {
		Getattr(op *Op, n Key, f *Open, out *Stat) Errno
	}
	// Setattrer: in.Valid's FATTR_FH is already cleared and f set.
	Setattrer interface {
		Setattr(op *Op, n Key, f *Open, in *abi.SetattrIn, out *Stat) Errno
	}
	// Readlinker returns the target as op.Bytes.
	Readlinker interface {
		Readlink(op *Op, n Key) (Payload, Errno)
	}
	// Symlinker: target is 1 to 4095 bytes, a NUL follows.
	Symlinker interface {
		Symlink(op *Op, dir Key, name, target Name, out *Entry) Errno
	}
	Mknoder interface {
		Mknod(op *Op, dir Key, name Name, in *abi.MknodIn, out *Entry) Errno
	}
	Mkdirer interface {
		Mkdir(op *Op, dir Key, name Name, in *abi.MkdirIn, out *Entry) Errno
	}
	Unlinker interface {
		Unlink(op *Op, dir Key, name Name) Errno
	}
	Rmdirer interface {
		Rmdir(op *Op, dir Key, name Name) Errno
	}
	// Renamer: both directories belong to this file system. flags are RENAME_*.
	Renamer interface {
		Rename(op *Op, d1 Key, n1 Name, d2 Key, n2 Name, flags uint32) Errno
	}
	Linker interface {
		Link(op *Op, n, dir Key, name Name, out *Entry) Errno
	}
	Opener interface {
		Open(op *Op, n Key, in *abi.OpenIn, out *Opened) Errno
	}
	Creater interface {
		Create(op *Op, dir Key, name Name, in *abi.CreateIn, e *Entry, o *Opened) Errno
	}
	Tmpfiler interface {
		Tmpfile(op *Op, dir Key, in *abi.CreateIn, e *Entry, o *Opened) Errno
	}
	// Reader returns op.Extent, or op.Bytes of at most n bytes; fewer than n is the end of the file.
	Reader interface {
		Read(op *Op, f Open, off int64, n int32, in *abi.ReadIn) (Payload, Errno)
	}
	// Writer returns op.Extent(f, off, len(data)), which the engine writes from data, or op.Count(bytes written).
	Writer interface {
		Write(op *Op, f Open, off int64, data []byte, in *abi.WriteIn) (Payload, Errno)
	}
	Statfser interface {
		Statfs(op *Op, n Key, out *abi.Kstatfs) Errno
	}
	Flusher interface {
		Flush(op *Op, f Open, in *abi.FlushIn) Errno
	}
	Fsyncer interface {
		Fsync(op *Op, f Open, datasync bool) Errno
	}
	Fsyncdirer interface {
		Fsyncdir(op *Op, f Open, datasync bool) Errno
	}
	Setxattrer interface {
		Setxattr(op *Op, n Key, name Name, value []byte, in *abi.SetxattrIn) Errno
	}
	// Getxattrer and Listxattrer: size 0 asks for the size only: op.Count(size). A value larger than size is ERANGE.
	Getxattrer interface {
		Getxattr(op *Op, n Key, name Name, size int) (Payload, Errno)
	}
	Listxattrer interface {
		Listxattr(op *Op, n Key, size int) (Payload, Errno)
	}
	Removexattrer interface {
		Removexattr(op *Op, n Key, name Name) Errno
	}
	Opendirer interface {
		Opendir(op *Op, n Key, in *abi.OpenIn, out *Opened) Errno
	}
	// Readdirer: after its first Add it may not return WouldBlock, but ends short.
	Readdirer interface {
		Readdir(op *Op, f Open, off uint64, plus bool, to DirSink) Errno
	}
	// Getlker fills lk with the first lock in the way, or sets lk.Type to F_UNLCK.
	Getlker interface {
		Getlk(op *Op, f Open, lk *Lock) Errno
	}
	// Setlker: with wait it may return Pending.
	Setlker interface {
		Setlk(op *Op, f Open, lk *Lock, wait bool) Errno
	}
	Accesser interface {
		Access(op *Op, n Key, mask uint32) Errno
	}
	Bmaper interface {
		Bmap(op *Op, n Key, block uint64, blocksize uint32, out *uint64) Errno
	}
	// Ioctler: data is the argument's memory (in.InSize bytes); the payload goes back to the caller, res is ioctl's result.
	Ioctler interface {
		Ioctl(op *Op, f Open, in *abi.IoctlIn, data []byte, res *int32) (Payload, Errno)
	}
	// Poller: out are poll(2) revents; may return Pending only in the sense of the kernel's own wake-up by Notifier.Poll.
	Poller interface {
		Poll(op *Op, f Open, in *abi.PollIn, revents *uint32) Errno
	}
	Fallocater interface {
		Fallocate(op *Op, f Open, in *abi.FallocateIn) Errno
	}
	Lseeker interface {
		Lseek(op *Op, f Open, off int64, whence uint32, out *int64) Errno
	}
	CopyFileRanger interface {
		CopyFileRange(op *Op, in Open, inOff int64, out Open, outOff int64, n, flags uint64, copied *uint64) Errno
	}
	Syncfser interface {
		Syncfs(op *Op, n Key) Errno
	}
	Statxer interface {
		Statx(op *Op, n Key, f *Open, in *abi.StatxIn, out *abi.StatxOut) Errno
	}
	// Canceler hears of the INTERRUPT of a Pending op and answers with t.Complete(EINTR, 0), unless it has completed it.
	Canceler interface{ Cancel(t Token) }
)

// Calls without an Op, at any time after the reply, by any thread; never on a loop unless the file system is Inline.
type (
	// Releaser is called once for each Opened, after the last operation on it.
	Releaser interface {
		Release(f Open, flags uint32, owner uint64)
	}
	// Releasedirer; without it Release(f, 0, 0) is called.
	Releasedirer interface{ Releasedir(f Open) }
	// Unflocker is called on RELEASE with FUSE_RELEASE_FLOCK_UNLOCK, before the acknowledgement: the owner's flock goes.
	Unflocker interface {
		Unflock(f Open, owner uint64)
	}
	// Forgetter is given back refs Entries of n, after all Releases of n. A file system that frees nothing needs none.
	Forgetter interface{ Forget(n Key, refs uint64) }
	// Retainer takes one more reference, for binds and mount roots.
	Retainer interface{ Retain(n Key) }
)

// What a file system says about itself.
type (
	// Rooter: Root carries one reference. Without it the root's key is 0.
	Rooter interface{ Root() Key }
	// Inliner: Inline true promises that under op.Nonblock() no method waits.
	Inliner interface{ Inline() bool }
	// Attacher is told of the connection after INIT, before the first request.
	Attacher interface{ Attach(c *Conn) }
	// Destroyer is called once when the connection has ended and everything was released and forgotten.
	Destroyer interface{ Destroy() }
	// Tabler is a wrapper that gives its own table and need not implement the interfaces.
	Tabler interface{ Ops() *Ops }
)
