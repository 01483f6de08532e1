package vfs

// Payload is what a method hands back beside its Errno: bytes, a count, or a range of a File (an extent) that the engine reads
// or writes by the best way that the transport has. Built by Op.Bytes, Op.Count and Op.Extent only.
type Payload struct {
	Bytes []byte // inside op.Reply(), or memory that nobody changes any more
	File  *File  // extent: holds one reference
	Off   int64
	N     int32  // extent: bytes asked for; count: the number
	RWF   uint32 // flags of preadv2(2), pwritev2(2)
	After Hook   // called with the I/O's result
	Arg   uint64
}

// Hook is called once, before the reply, on the thread that replies. It may not wait. res is a number of bytes or -errno,
// and so is what it returns. An object that exists already plus an integer: no closure, no allocation.
type Hook interface {
	Done(op *Op, arg uint64, res int32) int32
}

// Bytes is a payload of b: a part of op.Reply, or memory that nobody changes any more.
func (op *Op) Bytes(b []byte) Payload { return Payload{Bytes: b, N: int32(len(b))} }

// Count is a payload that is only a number: bytes written, or the size of an attribute that was asked for with size 0.
func (op *Op) Count(n int) Payload { return Payload{N: int32(n)} }

// Extent is n bytes of f at off. Takes a reference of its own.
func (op *Op) Extent(f *File, off int64, n int32) Payload {
	f.Get()
	return Payload{File: f, Off: off, N: n}
}
