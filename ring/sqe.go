package ring

import "structs"

// SQE is a submission entry: struct io_uring_sqe of include/uapi/linux/io_uring.h, 64 bytes, little known unions named
// by their commonest use. On a SetupSQE128 ring 64 more bytes follow it (see Cmd). It is valid from Get until the next
// Submit or SubmitAndWait.
type SQE struct {
	_           structs.HostLayout
	Opcode      Op
	Flags       uint8 // SQE* bits
	Ioprio      uint16
	Fd          int32
	Off         uint64 // also addr2, and in its lower half cmd_op
	Addr        uint64 // also splice_off_in
	Len         uint32
	OpFlags     uint32 // rw_flags, fsync_flags, open_flags, ...
	UserData    uint64
	BufIndex    uint16 // registered buffer, or buffer group
	Personality uint16
	FileIndex   int32 // also splice_fd_in
	Addr3       uint64
	Pad         uint64
}

// SetUserData sets what the completion carries back.
func (s *SQE) SetUserData(v uint64) *SQE { s.UserData = v; return s }

// SetFlags adds SQE* bits.
func (s *SQE) SetFlags(f uint8) *SQE { s.Flags |= f; return s }

// SetPersonality makes the operation run with credentials from RegisterPersonality; 0 means the ring's own.
func (s *SQE) SetPersonality(id uint16) *SQE { s.Personality = id; return s }

// SetFixedFile makes the entry use slot index of the registered files in place of a descriptor.
func (s *SQE) SetFixedFile(index int32) *SQE { s.Fd = index; s.Flags |= SQEFixedFile; return s }

// SetBufGroup makes the kernel take a buffer of group g (BufRing) in place of an address.
func (s *SQE) SetBufGroup(g uint16) *SQE { s.BufIndex = g; s.Flags |= SQEBufferSelect; return s }

func (s *SQE) rw(op Op, fd int32, addr uintptr, n uint32, off uint64) *SQE {
	s.Opcode, s.Fd, s.Addr, s.Len, s.Off = op, fd, uint64(addr), n, off
	return s
}

// Nop does nothing and completes with 0.
func (s *SQE) Nop() *SQE { s.Opcode, s.Fd = OpNop, -1; return s }

// Read reads n bytes at offset off of fd into addr; off ^uint64(0) means the file position (5.6).
func (s *SQE) Read(fd int32, addr uintptr, n uint32, off uint64) *SQE {
	return s.rw(OpRead, fd, addr, n, off)
}

// Write writes n bytes from addr to offset off of fd; off ^uint64(0) means the file position (5.6).
func (s *SQE) Write(fd int32, addr uintptr, n uint32, off uint64) *SQE {
	return s.rw(OpWrite, fd, addr, n, off)
}

// ReadFixed is Read into registered buffer buf: addr..addr+n lies inside it.
func (s *SQE) ReadFixed(fd int32, addr uintptr, n uint32, off uint64, buf uint16) *SQE {
	s.BufIndex = buf
	return s.rw(OpReadFixed, fd, addr, n, off)
}

// WriteFixed is Write from registered buffer buf: addr..addr+n lies inside it.
func (s *SQE) WriteFixed(fd int32, addr uintptr, n uint32, off uint64, buf uint16) *SQE {
	s.BufIndex = buf
	return s.rw(OpWriteFixed, fd, addr, n, off)
}

// Readv is preadv2(2) with n Iovecs at iov and RWF_* flags.
func (s *SQE) Readv(fd int32, iov uintptr, n uint32, off uint64, flags uint32) *SQE {
	s.OpFlags = flags
	return s.rw(OpReadv, fd, iov, n, off)
}

// Writev is pwritev2(2) with n Iovecs at iov and RWF_* flags.
func (s *SQE) Writev(fd int32, iov uintptr, n uint32, off uint64, flags uint32) *SQE {
	s.OpFlags = flags
	return s.rw(OpWritev, fd, iov, n, off)
}

// ReadMultishot reads from a pollable fd again and again, each time into a buffer of group g; a completion without
// CQEMore is the last one (6.7).
func (s *SQE) ReadMultishot(fd int32, g uint16) *SQE {
	s.rw(OpReadMultishot, fd, 0, 0, ^uint64(0))
	return s.SetBufGroup(g)
}

// PollAdd completes when fd has one of the POLL* events, with the events as result; multi repeats it (5.13).
func (s *SQE) PollAdd(fd int32, events uint32, multi bool) *SQE {
	s.Opcode, s.Fd, s.OpFlags = OpPollAdd, fd, pollWord(events)
	if multi {
		s.Len = pollAddMulti
	}
	return s
}

// PollRemove ends the PollAdd whose user data is target; ENOENT when there is none.
func (s *SQE) PollRemove(target uint64) *SQE {
	s.Opcode, s.Fd, s.Addr = OpPollRemove, -1, target
	return s
}

// Fsync is fsync(2), or fdatasync(2) with FsyncDatasync.
func (s *SQE) Fsync(fd int32, flags uint32) *SQE {
	s.Opcode, s.Fd, s.OpFlags = OpFsync, fd, flags
	return s
}

// Fallocate is fallocate(2).
func (s *SQE) Fallocate(fd int32, mode uint32, off, n uint64) *SQE {
	s.Opcode, s.Fd, s.Len, s.Off, s.Addr = OpFallocate, fd, mode, off, n
	return s
}

// Openat2 is openat2(2): path is the address of a NUL-terminated name, how of an open_how of size bytes.
func (s *SQE) Openat2(dirfd int32, path, how uintptr, size uint32) *SQE {
	return s.rw(OpOpenat2, dirfd, path, size, uint64(how))
}

// Statx is statx(2): path is the address of a NUL-terminated name, buf of 256 bytes.
func (s *SQE) Statx(dirfd int32, path uintptr, flags, mask uint32, buf uintptr) *SQE {
	s.OpFlags = flags
	return s.rw(OpStatx, dirfd, path, mask, uint64(buf))
}

// Close is close(2) of a descriptor.
func (s *SQE) Close(fd int32) *SQE { s.Opcode, s.Fd = OpClose, fd; return s }

// Splice is splice(2); an offset of -1 means none (a pipe's). flags are SPLICE_F_*.
func (s *SQE) Splice(in int32, offIn int64, out int32, offOut int64, n, flags uint32) *SQE {
	s.Opcode, s.Fd, s.Off, s.Addr, s.Len = OpSplice, out, uint64(offOut), uint64(offIn), n
	s.FileIndex, s.OpFlags = in, flags
	return s
}

// Timeout completes with -ETIME when the __kernel_timespec (two int64) at ts has passed, or with 0 after count other
// completions when count is not 0.
func (s *SQE) Timeout(ts uintptr, count, flags uint32) *SQE {
	s.Opcode, s.Fd, s.Addr, s.Len, s.Off, s.OpFlags = OpTimeout, -1, uint64(ts), 1, uint64(count), flags
	return s
}

// LinkTimeout limits the entry before it, which carries SQEIOLink, to the __kernel_timespec at ts.
func (s *SQE) LinkTimeout(ts uintptr, flags uint32) *SQE {
	s.Opcode, s.Fd, s.Addr, s.Len, s.OpFlags = OpLinkTimeout, -1, uint64(ts), 1, flags
	return s
}

// TimeoutRemove ends the Timeout whose user data is target; that one completes with -ECANCELED.
func (s *SQE) TimeoutRemove(target uint64) *SQE {
	s.Opcode, s.Fd, s.Addr = OpTimeoutRemove, -1, target
	return s
}

// Cancel ends the operation whose user data is target; flags are Cancel* bits. The result is 0 (or, with CancelAll,
// how many), -ENOENT, or -EALREADY for one that runs and may or may not stop.
func (s *SQE) Cancel(target uint64, flags uint32) *SQE {
	s.Opcode, s.Fd, s.Addr, s.OpFlags = OpAsyncCancel, -1, target, flags
	return s
}

// CancelFd ends operations on fd; flags are added to the CancelFd bit (5.19).
func (s *SQE) CancelFd(fd int32, flags uint32) *SQE {
	s.Opcode, s.Fd, s.OpFlags = OpAsyncCancel, fd, flags|CancelFd
	return s
}

// MsgRing posts a completion with this user data and result into the ring behind ringFd (5.18).
func (s *SQE) MsgRing(ringFd int32, userData uint64, res int32) *SQE {
	s.Opcode, s.Fd, s.Off, s.Len, s.Addr = OpMsgRing, ringFd, userData, uint32(res), msgRingData
	return s
}

// UringCmd is a command of fd's driver, such as FUSE_IO_URING_CMD_REGISTER. Its arguments go into Addr, Len and Cmd
// (5.19).
func (s *SQE) UringCmd(fd int32, cmdOp uint32) *SQE {
	s.Opcode, s.Fd, s.Off = OpUringCmd, fd, uint64(cmdOp)
	return s
}
