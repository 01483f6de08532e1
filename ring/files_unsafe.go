package ring

import (
	"fmt"
	"runtime"
	"structs"
	"syscall"
	"unsafe"
)

// rsrcRegister is struct io_uring_rsrc_register.
type rsrcRegister struct {
	_          structs.HostLayout
	nr, flags  uint32
	resv2      uint64
	data, tags uint64
}

// filesUpdate is struct io_uring_files_update.
type filesUpdate struct {
	_            structs.HostLayout
	offset, resv uint32
	fds          uint64
}

var (
	_ [32]byte = [unsafe.Sizeof(rsrcRegister{})]byte{}
	_ [16]byte = [unsafe.Sizeof(filesUpdate{})]byte{}
)

// RegisterFilesSparse makes a table of n empty slots, to be filled by UpdateFiles (5.19). A ring has one table; EBUSY:
// it exists.
func (r *Ring) RegisterFilesSparse(n uint32) error {
	arg := rsrcRegister{nr: n, flags: rsrcRegisterSparse}
	if _, errno := sysRegister(r.fd, RegFiles2, unsafe.Pointer(&arg), uint32(unsafe.Sizeof(arg))); errno != 0 {
		return registerError(fmt.Sprintf("%d empty file slots", n), "5.19", errno)
	}
	return nil
}

// RegisterFiles makes the table from descriptors; -1 is an empty slot. The table holds its own references. A ring has
// one table; EBUSY: it exists.
func (r *Ring) RegisterFiles(fds []int32) error {
	if len(fds) == 0 {
		return fmt.Errorf("ring: register files: %w: none given", syscall.EINVAL)
	}
	if _, errno := sysRegister(r.fd, RegFiles, unsafe.Pointer(&fds[0]), uint32(len(fds))); errno != 0 {
		return registerError(fmt.Sprintf("%d files", len(fds)), "5.1", errno)
	}
	return nil
}

// UpdateFiles sets slots first, first+1, ... of the table: a descriptor, -1 to empty one, FileSkip to leave one.
func (r *Ring) UpdateFiles(first uint32, fds []int32) error {
	if len(fds) == 0 {
		return nil
	}
	var pin runtime.Pinner // the address hides in an integer, so the array must not be on a stack
	pin.Pin(&fds[0])
	defer pin.Unpin()
	arg := filesUpdate{offset: first, fds: uint64(uintptr(unsafe.Pointer(&fds[0])))}
	n, errno := sysRegister(r.fd, RegFilesUpdate, unsafe.Pointer(&arg), uint32(len(fds)))
	if errno != 0 {
		return fmt.Errorf("ring: update file slots %d to %d: %w", first, int(first)+len(fds)-1, errno)
	}
	if n != len(fds) {
		return fmt.Errorf("ring: update file slots: %d of %d were set, slot %d has a bad descriptor", n, len(fds), int(first)+n)
	}
	return nil
}

// UnregisterFiles drops the table; requests in flight keep their files.
func (r *Ring) UnregisterFiles() error {
	if _, errno := sysRegister(r.fd, RegUnregisterFiles, nil, 0); errno != 0 {
		return fmt.Errorf("ring: unregister files: %w", errno)
	}
	return nil
}

// Iovec is struct iovec: Len bytes at Base, outside the Go heap.
type Iovec struct {
	_    structs.HostLayout
	Base uintptr
	Len  uintptr
}

// RegisterBuffers pins these areas for ReadFixed and WriteFixed, which name them by position. At most 16384 of at most
// 1 GiB; pinned pages count against RLIMIT_MEMLOCK without CAP_IPC_LOCK (ENOMEM). EBUSY: the table exists.
func (r *Ring) RegisterBuffers(v []Iovec) error {
	if len(v) == 0 {
		return fmt.Errorf("ring: register buffers: %w: none given", syscall.EINVAL)
	}
	if _, errno := sysRegister(r.fd, RegBuffers, unsafe.Pointer(&v[0]), uint32(len(v))); errno != 0 {
		if errno == syscall.ENOMEM {
			return fmt.Errorf("ring: register %d buffers: %w (raise RLIMIT_MEMLOCK, or run with CAP_IPC_LOCK)", len(v), errno)
		}
		return registerError(fmt.Sprintf("%d buffers", len(v)), "5.1", errno)
	}
	return nil
}

// UnregisterBuffers unpins what RegisterBuffers pinned, once requests in flight are done.
func (r *Ring) UnregisterBuffers() error {
	if _, errno := sysRegister(r.fd, RegUnregisterBuffers, nil, 0); errno != 0 {
		return fmt.Errorf("ring: unregister buffers: %w", errno)
	}
	return nil
}
