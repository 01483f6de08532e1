package engine

import (
	"github.com/fastfsd/fastfsd/vfs"
)

// extent reads or writes the file range that a request wants: inline where that cannot wait, else through the ring or,
// on a loop without one, in the pool. A READ is short only at the end of the file: to the kernel a short answer is one.
func (l *Loop) extent(s *Slot) {
	f, off, buf, rwf, write := s.Op.Transfer()
	s.moved, s.placed = 0, false
	switch {
	case len(buf) == 0:
		l.satisfied(s, 0)
	case f.Direct && (f.Pace == nil || f.Pace.Class != vfs.PaceMemory): // waits for the device
		l.extentLater(s)
	case write:
		l.writeNow(s, f, off, buf, rwf)
	case f.Pace != nil && f.Pace.Class == vfs.PaceMemory:
		res, _ := l.readNow(s, f, off, buf, rwf)
		l.satisfied(s, res)
	case f.Nowait:
		if res, done := l.readNow(s, f, off, buf, rwf|rwfNowait); done {
			l.satisfied(s, res)
			return
		}
		l.extentLater(s)
	default:
		l.extentLater(s)
	}
}

// readNow reads without waiting. False: the rest, behind s.moved, is not in memory.
func (l *Loop) readNow(s *Slot, f *vfs.File, off int64, buf []byte, rwf uint32) (res int32, done bool) {
	for int(s.moved) < len(buf) {
		n, e := preadRaw(f.FD, s.pieces(buf, false), off+int64(s.moved), rwf)
		switch {
		case e == 0 && n == 0:
			return s.moved, true
		case e == 0:
			s.moved += n
		case e == vfs.EINTR:
		case rwf&rwfNowait != 0 && (e == vfs.EAGAIN || e == vfs.EOPNOTSUPP):
			return 0, false
		default:
			return -int32(e), true
		}
	}
	return s.moved, true
}

// writeNow writes on the loop where the superblock has been quick; no file system here can be told not to wait.
func (l *Loop) writeNow(s *Slot, f *vfs.File, off int64, buf []byte, rwf uint32) {
	start, ok := f.Pace.Begin()
	if !ok {
		l.tally.leave(s, true)
		l.offload(s, jobIO)
		return
	}
	res := s.writeAll(f, off, buf, rwf)
	f.Pace.End(start)
	l.satisfied(s, res)
}

// satisfied takes the I/O's result and replies.
func (l *Loop) satisfied(s *Slot, res int32) {
	l.settle(s, s.client.conn.Satisfied(s.Op, res))
}

// extentLater has the range read or written while the loop goes on.
func (l *Loop) extentLater(s *Slot) {
	if l.ring == nil {
		l.tally.leave(s, true)
		l.offload(s, jobIO)
		return
	}
	s.queue.Hold(l, s)
	l.current = nil
	tag := uint32(len(l.ios))
	if n := len(l.ioFree); n > 0 {
		tag = l.ioFree[n-1]
		l.ioFree = l.ioFree[:n-1]
		l.ios[tag] = s
	} else {
		l.ios = append(l.ios, s)
	}
	l.ioLive++
	l.submitIO(s, tag)
}

// submitIO asks for what s still lacks. The buffer is the transport's, outside the Go heap.
func (l *Loop) submitIO(s *Slot, tag uint32) {
	f, off, buf, rwf, write := s.Op.Transfer()
	iov, at := s.pieces(buf, write), uint64(off+int64(s.moved))
	q := l.SQE()
	switch one := len(iov) == 1; {
	case one && write:
		q.Write(f.FD, iov[0].Base, uint32(iov[0].Len), at)
		q.OpFlags = rwf
	case one:
		q.Read(f.FD, iov[0].Base, uint32(iov[0].Len), at)
		q.OpFlags = rwf
	case write:
		q.Writev(f.FD, iovAddr(iov), uint32(len(iov)), at, rwf)
	default:
		q.Readv(f.FD, iovAddr(iov), uint32(len(iov)), at, rwf)
	}
	q.SetUserData(Data(0, tag))
}

// moved takes the completion of a range's I/O.
func (l *Loop) moved(tag uint32, res int32) {
	s := l.ios[tag]
	f, _, buf, _, write := s.Op.Transfer()
	switch {
	case res == -int32(vfs.EINTR) || res == -int32(vfs.EAGAIN):
		l.submitIO(s, tag)
		return
	case res > 0:
		s.moved += res
		// a short O_DIRECT transfer that ends off a block is the end of the file, and could not be continued anyway
		if int(s.moved) < len(buf) && !(f.Direct && s.moved&511 != 0) {
			l.submitIO(s, tag)
			return
		}
		res = s.moved
	case res == 0 || write && s.moved > 0:
		res = s.moved
	}
	l.ios[tag] = nil
	l.ioFree = append(l.ioFree, tag)
	l.ioLive--
	l.current = s
	l.enter(s.client)
	l.satisfied(s, res)
}

// transfer reads or writes the rest of an extent on a thread that may wait: bytes or -errno.
func transfer(s *Slot) int32 {
	f, off, buf, rwf, write := s.Op.Transfer()
	if write {
		return s.writeAll(f, off, buf, rwf)
	}
	for int(s.moved) < len(buf) {
		n, e := pread(f.FD, s.pieces(buf, false), off+int64(s.moved), rwf)
		switch {
		case e == vfs.EINTR:
			continue
		case e != 0:
			return -int32(e)
		case n == 0:
			return s.moved
		}
		s.moved += n
		if f.Direct && s.moved&511 != 0 {
			break
		}
	}
	return s.moved
}

// writeAll writes the extent's data: the number of bytes, or -errno if there were none.
func (s *Slot) writeAll(f *vfs.File, off int64, buf []byte, rwf uint32) int32 {
	for int(s.moved) < len(buf) {
		n, e := pwrite(f.FD, s.pieces(buf, true), off+int64(s.moved), rwf)
		switch {
		case e == vfs.EINTR:
			continue
		case e != 0 && s.moved == 0:
			return -int32(e)
		case e != 0 || n == 0:
			return s.moved
		}
		s.moved += n
	}
	return s.moved
}
