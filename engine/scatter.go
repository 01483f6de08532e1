package engine

import "github.com/fastfsd/fastfsd/ring"

// Scattered is a Queue whose payloads lie in pieces, as those in a guest's memory do.
type Scattered interface {
	Queue
	// Pieces is where bytes of the payload lie: of a WRITE's data that is vfs.Op.Far, or of the reply's body; n of them from
	// byte from on, in at most MaxPieces pieces, and less if they would be more. Stable until it is asked again for s.
	Pieces(s *Slot, write bool, from, n int32) []ring.Iovec
}

// MaxPieces is what one readv(2) takes (UIO_MAXIOV).
const MaxPieces = 1024

// EndBatch is what a queue wants to do once at the end of a batch, when all answers of it are known: AtEnd.
type EndBatch interface{ EndBatch(l *Loop) }

// AtEnd calls x once when this batch ends, before what it submitted goes to the kernel. On the loop.
func (l *Loop) AtEnd(x EndBatch) { l.ends = append(l.ends, x) }

// end makes the calls that AtEnd was asked for. One that panics loses the rest of its own work only.
func (l *Loop) end() {
	for i := 0; i < len(l.ends); i++ {
		x := l.ends[i]
		l.ends[i] = nil
		x.EndBatch(l)
	}
	l.ends = l.ends[:0]
}

// pieces are where the rest of an extent's bytes, of which buf is the whole, come from or go to.
func (s *Slot) pieces(buf []byte, write bool) []ring.Iovec {
	if s.scattered != nil && (!write || s.Op.Far()) {
		s.placed = !write
		return s.scattered.Pieces(s, write, s.moved, int32(len(buf))-s.moved)
	}
	rest := buf[s.moved:]
	s.whole[0] = ring.Iovec{Base: ring.Addr(rest), Len: uintptr(len(rest))}
	return s.whole[:]
}

// Placed says whether the reply's body was put in its Pieces already. Valid in Queue.Reply.
func (s *Slot) Placed() bool { return s.placed && s.fault == 0 }
