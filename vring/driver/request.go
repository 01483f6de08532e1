//go:build linux

package driver

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
)

const (
	pageSize   = 4096
	replyStart = 2048 // in a request's first page: what precedes is header, argument and names, what follows a short reply
	errnoMax   = 512  // ERESTARTSYS: from here on an errno is the kernel's own
)

// Request is one FUSE request with its reply, in guest memory. Begin starts it; Arg, Name, Data and the two Reply methods build it in
// this order, as chains have it: header, argument, names, data; header of the reply, reply.
type Request struct {
	Index int // among the client's
	Step  int // the load's own, as Node and Fh: how far a sequence of requests is
	Node  uint64
	Fh    uint64

	page, data []byte // guest memory
	pageSeg    Segment
	dataSeg    Segment
	in, out    [3]Segment
	nin, nout  int

	inLen  int // of page
	want   int // length of the reply's body
	atMost bool
	body   []byte // where it goes
	unique uint64
	errno  unix.Errno
	n      int // bytes of the body that came
}

func newRequest(m *Memory, payload int) (*Request, error) {
	b, err := m.Alloc(pageSize+payload, pageSize)
	if err != nil {
		return nil, err
	}
	r := &Request{page: b[:pageSize], data: b[pageSize:]}
	r.pageSeg, r.dataSeg = m.Segment(r.page), m.Segment(r.data)
	return r, nil
}

// Begin starts a request of root's. Its reply is a header only, until Reply or ReplyData say more.
func (r *Request) Begin(op abi.Opcode, node uint64) {
	h := abi.InHeader{Opcode: op, Unique: r.unique, NodeID: node}
	r.inLen = copy(r.page, abi.Bytes(&h))
	r.nin, r.nout = 0, 0
	r.want, r.atMost, r.body = 0, false, nil
	r.in[2] = Segment{}
}

// Arg adds the fixed argument.
func (r *Request) Arg(b []byte) { r.inLen += copy(r.page[r.inLen:replyStart], b) }

// Name adds a string and the NUL that ends it.
func (r *Request) Name(name string) {
	r.inLen += copy(r.page[r.inLen:replyStart-1], name)
	r.page[r.inLen] = 0
	r.inLen++
}

// Payload is the space for data that is sent, or comes.
func (r *Request) Payload() []byte { return r.data }

// Data adds the first n bytes of Payload.
func (r *Request) Data(n int) { r.in[2] = Segment{r.dataSeg.Addr, uint32(n)} }

// Reply says that the reply's body is n bytes.
func (r *Request) Reply(n int) { r.want, r.body = n, r.page[replyStart+abi.OutHeaderSize:][:n] }

// ReplyData says that the reply's body is at most n bytes and goes to Payload.
func (r *Request) ReplyData(n int) { r.want, r.atMost, r.body = n, true, r.data[:n] }

// seal finishes the message and cuts it into segments, as Linux does.
func (r *Request) seal(unique uint64) {
	r.unique = unique
	var h abi.InHeader
	h.Load(r.page)
	h.Len, h.Unique = uint32(r.inLen)+r.in[2].Len, unique
	copy(r.page, abi.Bytes(&h))
	r.in[0] = Segment{r.pageSeg.Addr, abi.HeaderSize}
	r.nin = 1
	if n := r.inLen - abi.HeaderSize; n > 0 {
		r.in[1] = Segment{r.pageSeg.Addr + abi.HeaderSize, uint32(n)}
		r.nin = 2
	}
	if r.in[2].Len > 0 {
		r.in[r.nin] = r.in[2]
		r.nin++
	}
	reply := r.pageSeg.Addr + replyStart
	r.out[0] = Segment{reply, abi.OutHeaderSize}
	r.nout = 1
	switch {
	case r.want > 0 && r.atMost:
		r.out[1] = Segment{r.dataSeg.Addr, uint32(r.want)}
		r.nout = 2
	case r.want > 0:
		r.out[1] = Segment{reply + abi.OutHeaderSize, uint32(r.want)}
		r.nout = 2
	}
}

// accept checks a reply of n bytes as Linux does, and that its body has the length that belongs to it.
func (r *Request) accept(n uint32) error {
	h, err := verify(r.page[replyStart:], n, r.unique)
	if err != nil {
		return err
	}
	r.errno, r.n = unix.Errno(-h.Error), int(n)-abi.OutHeaderSize
	short := r.atMost && r.n <= r.want
	if r.errno == 0 && r.n != r.want && !short {
		return fmt.Errorf("%w: its body has %d bytes, not %d", ErrReply, r.n, r.want)
	}
	return nil
}

// verify is virtio_fs_verify_response, and what /dev/fuse demands of a reply.
func verify(b []byte, n uint32, unique uint64) (h abi.OutHeader, err error) {
	if n < abi.OutHeaderSize {
		return h, fmt.Errorf("%w: %d bytes are used, less than a header", ErrReply, n)
	}
	abi.Decode(&h, b)
	switch {
	case h.Len != n:
		err = fmt.Errorf("%w: %d bytes are used, the header says %d", ErrReply, n, h.Len)
	case h.Unique != unique:
		err = fmt.Errorf("%w: of request %d to request %d", ErrReply, h.Unique, unique)
	case h.Error > 0 || h.Error <= -errnoMax:
		err = fmt.Errorf("%w: error %d", ErrReply, h.Error)
	case h.Error != 0 && n != abi.OutHeaderSize:
		err = fmt.Errorf("%w: an error with a body of %d bytes", ErrReply, n-abi.OutHeaderSize)
	}
	return h, err
}

// Errno is the reply's error, 0 for success.
func (r *Request) Errno() unix.Errno { return r.errno }

// Body is the reply's body.
func (r *Request) Body() []byte { return r.body[:r.n] }
