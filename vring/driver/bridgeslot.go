//go:build linux

package driver

import (
	"github.com/fastfsd/fastfsd/abi"
)

// slot is the space of one request that the bridge forwards: what /dev/fuse gave, and the reply, each in one piece. Both are
// placed so that a WRITE's and a READ's data start at a page.
type slot struct {
	fd      int // the device's fd that the request came from and the reply goes to; -1: a request of the bridge itself
	in, out []byte
	inSeg   Segment
	outSeg  Segment
	header  abi.InHeader
	segs    []Segment
	room    int        // for the reply
	answer  chan int32 // of a request of the bridge itself
}

const (
	headIn  = pageSize - abi.HeaderSize - 40 // struct fuse_write_in has 40 bytes
	headOut = pageSize - abi.OutHeaderSize
	// readlinkRoom is what Linux gives a symlink's target.
	readlinkRoom = pageSize - 1
)

// slotSize is what newSlot takes.
func slotSize(payload int) int { return 2 * (2*pageSize + payload) }

func newSlot(m *Memory, payload int) (*slot, error) {
	b, err := m.Alloc(slotSize(payload), pageSize)
	if err != nil {
		return nil, err
	}
	half := len(b) / 2
	s := &slot{in: b[headIn:half], out: b[half+headOut:]}
	s.inSeg, s.outSeg = m.Segment(s.in), m.Segment(s.out)
	return s, nil
}

// cut makes the descriptors of a request of n bytes and of its reply: header, argument, payload in pieces; header, body in pieces.
func (s *slot) cut(n, room, piece int) (in, out []Segment) {
	s.segs = append(s.segs[:0], Segment{s.inSeg.Addr, abi.HeaderSize})
	at := abi.HeaderSize
	if arg := min(abi.ArgSize(s.header.Opcode, abi.InitSetxattrExt), n-at); arg > 0 {
		s.segs = append(s.segs, Segment{s.inSeg.Addr + uint64(at), uint32(arg)})
		at += arg
	}
	s.segs = pieces(s.segs, s.inSeg.Addr+uint64(at), n-at, piece)
	nin := len(s.segs)
	s.segs = append(s.segs, Segment{s.outSeg.Addr, abi.OutHeaderSize})
	s.segs = pieces(s.segs, s.outSeg.Addr+abi.OutHeaderSize, room, piece)
	return s.segs[:nin], s.segs[nin:]
}

// pieces cuts n bytes at multiples of piece.
func pieces(segs []Segment, addr uint64, n, piece int) []Segment {
	for n > 0 {
		l := min(n, piece-int(addr%uint64(piece)))
		segs = append(segs, Segment{addr, uint32(l)})
		addr += uint64(l)
		n -= l
	}
	return segs
}

// replyRoom is how long the body of a request's reply can be, as Linux knows it. arg is what follows the request's header.
func replyRoom(op abi.Opcode, arg []byte) int {
	var a abi.Args
	if !a.Load(op, abi.InitSetxattrExt, arg) && op != abi.OpInit {
		return readlinkRoom
	}
	switch op {
	case abi.OpLookup, abi.OpMknod, abi.OpMkdir, abi.OpSymlink, abi.OpLink:
		return entrySize
	case abi.OpCreate, abi.OpTmpfile:
		return entrySize + openSize
	case abi.OpGetattr, abi.OpSetattr:
		return attrSize
	case abi.OpReadlink:
		return readlinkRoom
	case abi.OpOpen, abi.OpOpendir:
		return openSize
	case abi.OpRead, abi.OpReaddir, abi.OpReaddirplus:
		return int(a.Read().Size)
	case abi.OpGetxattr, abi.OpListxattr:
		return max(int(a.Getxattr().Size), len(abi.Bytes(&abi.GetxattrOut{})))
	case abi.OpIoctl:
		return len(abi.Bytes(&abi.IoctlOut{})) + int(a.Ioctl().OutSize)
	}
	return int(fixedReplies[op])
}

// fixedReplies are the other replies with a body.
var fixedReplies = [abi.OpMax + 1]uint16{
	abi.OpWrite: writeSize, abi.OpStatfs: 80, abi.OpGetlk: 24, abi.OpBmap: 8, abi.OpPoll: 8, abi.OpLseek: 8, abi.OpInit: 64,
	abi.OpCopyFileRange: writeSize, abi.OpCopyFileRange64: 8, abi.OpStatx: 288,
}
