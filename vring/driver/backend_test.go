//go:build linux

package driver

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// backend is a device's end of the socket, for tests: it says what it is told to say, and notes what it hears.
type backend struct {
	features, protocol, queues, slots uint64

	refuse Req                            // gets an acknowledgement of failure
	mute   Req                            // gets no answer
	hangup Req                            // ends the connection
	spoil  func(req Req, m []byte) []byte // changes an answer

	fd int

	mu    sync.Mutex
	heard []string
	kick  map[int]int
	call  map[int]int
	err   map[int]int
	fds   []int
	ended chan struct{}
}

// goodBackend offers everything.
func goodBackend() *backend {
	return &backend{
		features: FeatureVersion1 | FeatureProtocol | FeatureEventIdx | FeatureIndirect | FeatureRingPacked | FeatureLogAll,
		protocol: ProtocolAll, queues: 9, slots: 509,
	}
}

// start gives the driver's end of the socket.
func (b *backend) start(t testing.TB) int {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	b.fd, b.ended = pair[0], make(chan struct{})
	b.kick, b.call, b.err = map[int]int{}, map[int]int{}, map[int]int{}
	go b.run()
	t.Cleanup(b.stop)
	return pair[1]
}

// stop ends the connection and waits.
func (b *backend) stop() {
	unix.Shutdown(b.fd, unix.SHUT_RDWR)
	<-b.ended
}

func (b *backend) run() {
	defer close(b.ended)
	defer func() {
		unix.Close(b.fd)
		for _, fd := range b.fds {
			unix.Close(fd)
		}
	}()
	m := make([]byte, headerSize+maxBody)
	oob := make([]byte, unix.CmsgSpace(32*4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(b.fd, m[:headerSize], oob, unix.MSG_CMSG_CLOEXEC)
		if err != nil || n < headerSize {
			return
		}
		var fds []int
		if scm, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil && len(scm) > 0 {
			fds, _ = unix.ParseUnixRights(&scm[0])
		}
		b.fds = append(b.fds, fds...)
		body := m[headerSize:][:binary.NativeEndian.Uint32(m[8:])]
		for got := 0; got < len(body); got += n {
			if n, err = unix.Read(b.fd, body[got:]); err != nil || n == 0 {
				return
			}
		}
		req, flags := Req(binary.NativeEndian.Uint32(m)), binary.NativeEndian.Uint32(m[4:])
		if req == b.hangup || !b.handle(req, flags, body, fds) {
			return
		}
	}
}

// handle answers one message.
func (b *backend) handle(req Req, flags uint32, body []byte, fds []int) bool {
	b.note(req, flags, body, fds)
	if req == b.mute {
		return true
	}
	var reply []byte
	switch req {
	case GetFeatures:
		reply = u64(b.features)
	case GetProtocolFeatures:
		reply = u64(b.protocol)
	case GetQueueNum:
		reply = u64(b.queues)
	case GetMaxMemSlots:
		reply = u64(b.slots)
	case SetLogBase:
		reply = u64(0)
	case GetVringBase:
		reply = append(body[:4:4], 7, 0, 0, 0)
	default:
		if flags&FlagNeedReply == 0 {
			return true
		}
		reply = u64(0)
		if req == b.refuse {
			reply = u64(1)
		}
	}
	m := binary.NativeEndian.AppendUint32(nil, uint32(req))
	m = binary.NativeEndian.AppendUint32(m, FlagVersion|FlagReply)
	m = append(binary.NativeEndian.AppendUint32(m, uint32(len(reply))), reply...)
	if b.spoil != nil {
		m = b.spoil(req, m)
	}
	_, err := unix.Write(b.fd, m)
	return err == nil
}

func u64(v uint64) []byte { return binary.NativeEndian.AppendUint64(nil, v) }

// note writes a message down: its name, what is in it that does not differ from run to run, how many descriptors came.
func (b *backend) note(req Req, flags uint32, body []byte, fds []int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := req.String()
	switch req {
	case SetVringNum, SetVringBase, SetVringEnable, GetVringBase:
		line += fmt.Sprintf(" %d %#x", binary.NativeEndian.Uint32(body), binary.NativeEndian.Uint32(body[4:]))
	case SetVringKick, SetVringCall, SetVringErr:
		i := int(binary.NativeEndian.Uint64(body))
		line += fmt.Sprintf(" %d", i)
		if len(fds) == 1 {
			map[Req]map[int]int{SetVringKick: b.kick, SetVringCall: b.call, SetVringErr: b.err}[req][i] = fds[0]
		}
	case SetFeatures, SetProtocolFeatures:
		line += fmt.Sprintf(" %#x", binary.NativeEndian.Uint64(body))
	case SetVringAddr:
		line += fmt.Sprintf(" %d", binary.NativeEndian.Uint32(body))
	case AddMemReg, RemMemReg:
		line += fmt.Sprintf(" gpa %#x size %#x", binary.NativeEndian.Uint64(body[8:]), binary.NativeEndian.Uint64(body[16:]))
	case SetMemTable:
		line += fmt.Sprintf(" %d regions", binary.NativeEndian.Uint32(body))
	}
	if len(fds) > 0 {
		line += fmt.Sprintf(" fds %d", len(fds))
	}
	if flags&FlagNeedReply != 0 {
		line += " ack"
	}
	b.heard = append(b.heard, line)
}

// log is what was heard since the last time.
func (b *backend) log() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := strings.Join(b.heard, "\n")
	b.heard = nil
	return s
}

// fd gives the newest eventfd of a queue.
func (b *backend) eventfd(m map[int]int, queue int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return m[queue]
}

// openFDs counts the process's descriptors.
func openFDs(t testing.TB) int {
	t.Helper()
	var st []int
	for fd := range 1024 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			st = append(st, fd)
		}
	}
	return len(slices.Compact(st))
}
