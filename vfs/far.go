package vfs

import (
	"sync"
	"syscall"

	"github.com/fastfsd/fastfsd/abi"
)

// Far is the data of a WRITE that lies in pieces of the peer's memory and is not to be copied for a file system that only says
// where it goes.
type Far interface {
	// Fetch copies the data together, into memory that stays until the answer. It is called once at most; less than
	// was announced means that the memory has gone.
	Fetch() []byte
}

// FarWriter: FarWrites true promises that Write looks at the length of its data only and takes the bytes, where it wants them,
// from Op.Data.
type FarWriter interface{ FarWrites() bool }

// LoadFar is LoadMessage for a WRITE of which msg has the header and the argument, and the n bytes behind them are far.
func (c *Conn) LoadFar(op *Op, msg []byte, n int, far Far, reply []byte) {
	op.reply, op.data = reply, nil
	op.hdr.Load(msg)
	op.Cred = Cred{op.hdr.UID, op.hdr.GID, op.hdr.PID}
	size := uint32(0)
	if op.args.Load(abi.OpWrite, c.flags(), msg[abi.HeaderSize:]) {
		size = op.args.Write().Size
	}
	neg := c.neg.Load()
	if int64(op.hdr.Len) != int64(len(msg))+int64(n) || int64(size) > int64(n) || neg != nil && size > neg.MaxWrite {
		op.err = EINVAL
		return
	}
	op.far, op.farLen, op.err = far, int(size), OK
}

// Far says whether the data of a WRITE is still where the peer has it.
func (op *Op) Far() bool { return op.far != nil }

// DataLen is the length of Data, which it leaves where it is.
func (op *Op) DataLen() int {
	if op.far != nil {
		return op.farLen
	}
	return len(op.data)
}

// Data is the request's payload behind its argument and names. What a FarWriter never asks for is never copied; nil where the
// peer's memory has gone.
func (op *Op) Data() []byte {
	if op.far != nil {
		b := op.far.Fetch()
		if len(b) < op.farLen {
			return nil
		}
		op.data, op.far = b[:op.farLen], nil
	}
	return op.data
}

// writeData is the data argument of Write.
func (op *Op) writeData() ([]byte, Errno) {
	if op.far == nil {
		return op.data, OK
	}
	if op.ops.FarWrites && op.farLen <= len(blank()) {
		return blank()[:op.farLen], OK
	}
	if b := op.Data(); op.far == nil {
		return b, OK
	}
	return nil, EIO
}

// blankSize is more than the largest WRITE: 65535 pages.
const blankSize = 256 << 20

// blank is memory that faults when it is touched: the data of a far WRITE, for its length.
var blank = sync.OnceValue(func() []byte {
	b, err := syscall.Mmap(-1, 0, blankSize, syscall.PROT_NONE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil // every WRITE is copied, then
	}
	return b
})
