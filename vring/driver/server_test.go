//go:build linux

package driver

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
)

// answer makes the reply to a request: the reply's bytes, header included. The used length is theirs unless n says otherwise (n >= 0).
type answer func(h abi.InHeader, body []byte) (reply []byte, n int)

// good is a reply of success.
func good(h abi.InHeader, body []byte) []byte {
	return append(abi.Bytes(&abi.OutHeader{Len: uint32(abi.OutHeaderSize + len(body)), Unique: h.Unique}), body...)
}

// serveQueue answers what comes on a queue until the backend ends; delay: so many requests are kept back and answered in reverse order.
func serveQueue(t testing.TB, b *backend, d *Driver, queue int, a answer) {
	f := newFakeRing(t, d.Memory(), d.Queue(queue), d.c.Size, d.features)
	kick, call := b.eventfd(b.kick, queue), b.eventfd(b.call, queue)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, ok := f.pop()
			if !ok {
				f.listen(true)
				if c, ok = f.pop(); !ok {
					if !b.wait(kick) {
						return
					}
					continue
				}
			}
			f.listen(false)
			n := f.answer(c, a)
			select {
			case <-b.ended:
				return
			default:
			}
			f.push(c, uint32(n))
			if f.interrupt() {
				notify(call)
			}
		}
	}()
	t.Cleanup(func() {
		b.stop()
		<-done
	})
}

// wait returns at a kick; false: the connection has ended.
func (b *backend) wait(kick int) bool {
	for {
		select {
		case <-b.ended:
			return false
		default:
		}
		fds := []unix.PollFd{{Fd: int32(kick), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 10)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
		if n > 0 {
			drain(kick)
			return true
		}
	}
}

// answer reads a chain's request and writes the reply.
func (f *fakeRing) answer(c fakeChain, a answer) int {
	var msg []byte
	for _, s := range c.in {
		msg = append(msg, f.bytes(s)...)
	}
	var h abi.InHeader
	if !h.Load(msg) || int(h.Len) != len(msg) {
		f.Errorf("a message of %d bytes, its header says %d", len(msg), h.Len)
		return 0
	}
	reply, n := a(h, msg[abi.HeaderSize:])
	if n < 0 {
		n = len(reply)
	}
	for _, s := range c.out {
		reply = reply[copy(f.bytes(s), reply):]
	}
	return n
}
