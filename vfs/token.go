package vfs

// Token names a request that will be answered later. A copy may be kept as long as needed; it outlives the request.
type Token struct {
	op  *Op
	gen uint32
}

// The states of an op's late answer, the low byte of Op.state. Above them: the errno of an early answer (16 bits), then
// the generation (32 bits), which a finished op leaves behind.
const (
	lateNone    = iota // no Token was asked for
	lateRunning        // the method runs and has taken a Token
	latePending        // the method has returned Pending
	lateEarly          // Complete came before the method returned
)

// Token prepares a late answer; then return Pending. Complete may win the race with the return.
func (op *Op) Token() Token {
	s := op.state.Load()
	if s&0xff == lateNone {
		op.state.Store(s | lateRunning)
	}
	return Token{op, uint32(s >> 32)}
}

// Complete answers once. val is READ's or WRITE's number of bytes, POLL's revents or IOCTL's result where e is OK. False: it was answered
// already; the connection counts that.
func (t Token) Complete(e Errno, val uint32) bool {
	for {
		s := t.op.state.Load()
		if uint32(s>>32) == t.gen {
			switch s & 0xff {
			case lateRunning:
				if t.op.early(s, e, val) {
					return true
				}
				continue
			case latePending:
				if t.op.state.CompareAndSwap(s, (s>>32+1)<<32) {
					t.op.conn.completed(t.op, e, val)
					return true
				}
				continue
			}
		}
		t.op.conn.LateDup.Add(1)
		return false
	}
}

// early leaves an answer for the method's return, if the state is still s. The lock keeps errno and value of one answer
// together: only who may still win writes the value.
func (op *Op) early(s uint64, e Errno, val uint32) bool {
	op.doneMu.Lock()
	defer op.doneMu.Unlock()
	if op.state.Load() != s {
		return false
	}
	op.lateVal = val
	return op.state.CompareAndSwap(s, s&^0xffffffff|uint64(uint16(e))<<8|lateEarly)
}

// park is called when the method has returned Pending; true: the answer is already there, with its errno and value.
func (op *Op) park() (Errno, uint32, bool) {
	for {
		s := op.state.Load()
		switch s & 0xff {
		case lateRunning:
			if op.state.CompareAndSwap(s, s&^0xff|latePending) {
				return 0, 0, false
			}
		case lateEarly:
			val := op.lateVal
			op.state.Store((s>>32 + 1) << 32)
			return Errno(uint16(s >> 8)), val, true
		default: // Pending without a Token: nobody could ever answer
			return EIO, 0, true
		}
	}
}

// settle ends the life of a Token that the method took and did not use.
func (op *Op) settle() {
	if s := op.state.Load(); s&0xff != lateNone {
		op.state.Store((s>>32 + 1) << 32)
	}
}
