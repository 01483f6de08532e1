//go:build linux

package driver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrRefused is wrapped by the error of a request that the device answered with a failure.
var ErrRefused = errors.New("the device refuses")

// Frontend is the front-end's end of a vhost-user socket.
type Frontend struct {
	fd int

	mu  sync.Mutex
	ack bool // REPLY_ACK is agreed; guarded by mu
}

// Connect opens the device's socket. A device that does not answer for as long as timeout is given up.
func Connect(path string, timeout time.Duration) (*Frontend, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("driver: socket: %w", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("driver: connect to %s: %w: is a vhost-user device listening there?", path, err)
	}
	return NewFrontend(fd, timeout)
}

// NewFrontend takes a connected socket over.
func NewFrontend(fd int, timeout time.Duration) (*Frontend, error) {
	tv := unix.NsecToTimeval(timeout.Nanoseconds())
	for _, opt := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, opt, &tv); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("driver: time limit of the socket: %w", err)
		}
	}
	return &Frontend{fd: fd}, nil
}

// Close ends the connection.
func (f *Frontend) Close() error { return unix.Close(f.fd) }

// FD is the socket.
func (f *Frontend) FD() int { return f.fd }

// Send writes one message, whatever it says.
func (f *Frontend) Send(req Req, flags uint32, body []byte, fds ...int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.send(req, flags, body, fds...)
}

func (f *Frontend) send(req Req, flags uint32, body []byte, fds ...int) error {
	m := make([]byte, headerSize, headerSize+len(body))
	binary.NativeEndian.PutUint32(m, uint32(req))
	binary.NativeEndian.PutUint32(m[4:], flags)
	binary.NativeEndian.PutUint32(m[8:], uint32(len(body)))
	m = append(m, body...)
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	n, err := unix.SendmsgN(f.fd, m, oob, nil, unix.MSG_NOSIGNAL)
	if err == nil && n < len(m) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("driver: send %v: %w", req, err)
	}
	return nil
}

// Receive reads one message. File descriptors that come with it are not taken.
func (f *Frontend) Receive() (req Req, flags uint32, body []byte, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.receive()
}

func (f *Frontend) receive() (req Req, flags uint32, body []byte, err error) {
	var h [headerSize]byte
	if err := f.readFull(h[:]); err != nil {
		return 0, 0, nil, fmt.Errorf("driver: receive: %w", err)
	}
	req = Req(binary.NativeEndian.Uint32(h[:]))
	flags = binary.NativeEndian.Uint32(h[4:])
	size := binary.NativeEndian.Uint32(h[8:])
	if size > maxBody {
		return req, flags, nil, fmt.Errorf("driver: receive %v: a body of %d bytes, the limit is %d", req, size, maxBody)
	}
	body = make([]byte, size)
	if err := f.readFull(body); err != nil {
		return req, flags, nil, fmt.Errorf("driver: receive %v: body of %d bytes: %w", req, size, err)
	}
	return req, flags, body, nil
}

func (f *Frontend) readFull(b []byte) error {
	for len(b) > 0 {
		n, err := unix.Read(f.fd, b)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return fmt.Errorf("no answer within the time limit: %w", unix.ETIMEDOUT)
		case err != nil:
			return err
		case n == 0:
			return fmt.Errorf("the device closed the connection: %w", io.ErrUnexpectedEOF)
		default:
			b = b[n:]
		}
	}
	return nil
}

// Ask sends a request that has an answer of its own and returns the answer's body, of size bytes; less than 0: of any size.
func (f *Frontend) Ask(req Req, size int, body []byte, fds ...int) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.send(req, FlagVersion, body, fds...); err != nil {
		return nil, err
	}
	got, flags, reply, err := f.receive()
	if err != nil {
		return nil, fmt.Errorf("%v: %w", req, err)
	}
	if got != req || flags != FlagVersion|FlagReply || size >= 0 && len(reply) != size {
		return nil, fmt.Errorf("driver: %v: answered by %v, flags %#x, %d bytes, want %d", req, got, flags, len(reply), size)
	}
	return reply, nil
}

// Do sends a request that has no answer of its own, and waits for its acknowledgement if REPLY_ACK is agreed.
func (f *Frontend) Do(req Req, body []byte, fds ...int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	flags := uint32(FlagVersion)
	if f.ack {
		flags |= FlagNeedReply
	}
	if err := f.send(req, flags, body, fds...); err != nil || !f.ack {
		return err
	}
	got, flags, reply, err := f.receive()
	if err != nil {
		return fmt.Errorf("%v: %w", req, err)
	}
	if got != req || flags&^FlagNeedReply != FlagVersion|FlagReply || len(reply) != 8 {
		return fmt.Errorf("driver: %v: acknowledged by %v, flags %#x, %d bytes", req, got, flags, len(reply))
	}
	if v := binary.NativeEndian.Uint64(reply); v != 0 {
		return fmt.Errorf("driver: %v: %w: %d", req, ErrRefused, int64(v))
	}
	return nil
}

// AskU64 is Ask for a number.
func (f *Frontend) AskU64(req Req) (uint64, error) {
	b, err := f.Ask(req, 8, nil)
	if err != nil {
		return 0, err
	}
	return binary.NativeEndian.Uint64(b), nil
}

// DoU64 is Do with a number.
func (f *Frontend) DoU64(req Req, v uint64, fds ...int) error {
	return f.Do(req, binary.NativeEndian.AppendUint64(nil, v), fds...)
}

// DoState is Do with the number of a queue and a value: NUM, BASE and ENABLE.
func (f *Frontend) DoState(req Req, queue int, v uint32) error { return f.Do(req, state(queue, v)) }

func state(queue int, v uint32) []byte {
	return binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, uint32(queue)), v)
}

// agreeAck has every later Do wait for its acknowledgement.
func (f *Frontend) agreeAck() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ack = true
}
