//go:build linux

package fusedev

import (
	"unsafe"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/ring"
)

// uringStride is the room of an entry's header and of the two iovecs that describe the entry to the kernel.
const uringStride = 512

const uringIovOffset = uringStride - 2*int(unsafe.Sizeof(ring.Iovec{}))

// Compile-time assertion: header and iovecs do not overlap.
var _ [uringIovOffset - int(unsafe.Sizeof(abi.UringReqHeader{}))]byte

// newUringEntry lays an entry into uringStride bytes of aligned memory outside the Go heap.
func newUringEntry(mem, payload []byte) *uringEntry {
	e := &uringEntry{head: (*abi.UringReqHeader)(unsafe.Pointer(&mem[0])), iov: (*[2]ring.Iovec)(unsafe.Pointer(&mem[uringIovOffset])), payload: payload}
	e.iov[0] = ring.Iovec{Base: ring.Addr(mem), Len: unsafe.Sizeof(abi.UringReqHeader{})}
	e.iov[1] = ring.Iovec{Base: ring.Addr(payload), Len: uintptr(len(payload))}
	return e
}

func iovAddr(e *uringEntry) uintptr { return uintptr(unsafe.Pointer(e.iov)) }

// inHeader is the request's header.
func inHeader(h *abi.UringReqHeader) *abi.InHeader { return (*abi.InHeader)(unsafe.Pointer(&h.InOut)) }

// uringOut is the reply's header, in the same place.
func uringOut(h *abi.UringReqHeader) *abi.OutHeader {
	return (*abi.OutHeader)(unsafe.Pointer(&h.InOut))
}

// uringCmd is the command area of a submission entry.
func uringCmd(s *ring.SQE) *abi.UringCmdReq { return (*abi.UringCmdReq)(s.CmdPtr()) }
