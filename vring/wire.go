//go:build linux

package vring

import (
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// wire reads requests from a front-end's socket and writes replies to it.
type wire struct {
	conn *net.UnixConn
	fds  []int // those of the current message that nobody has taken
	buf  [maxPayload]byte
	oob  [controlSize]byte
}

// maxFDs is the most descriptors of one message: one for each region of a table.
const maxFDs = maxTable

// controlSize is CMSG_SPACE of maxFDs descriptors.
const controlSize = unix.SizeofCmsghdr + maxFDs*4

// message is one request. Its payload is valid until the next one is received.
type message struct {
	header
	payload []byte
}

// errGone: the front-end has closed the connection, or we have.
var errGone = errors.New("the connection has ended")

// receive waits for a request. The descriptors that came with it are in w.fds. A request that is not complete when
// the connection ends is dropped.
func (w *wire) receive() (message, error) {
	var m message
	err := w.fill(w.buf[:headerSize])
	if err != nil {
		return m, err
	}
	if m.header, err = parseHeader(w.buf[:headerSize]); err != nil {
		return m, err
	}
	m.payload = w.buf[:m.Size]
	if err = w.fill(m.payload); err != nil {
		return m, fmt.Errorf("%v: payload: %w", m.ID, err)
	}
	return m, nil
}

// fill reads len(b) bytes and whatever descriptors come with them. They may come with any byte of a message.
func (w *wire) fill(b []byte) error {
	for got := 0; got < len(b); {
		n, oobn, flags, _, err := w.conn.ReadMsgUnix(b[got:], w.oob[:])
		if oobn > 0 {
			if err := w.collect(w.oob[:oobn]); err != nil {
				return err
			}
		}
		switch {
		case err != nil:
			return ended(err)
		case flags&unix.MSG_CTRUNC != 0 || len(w.fds) > maxFDs:
			return fmt.Errorf("descriptors were lost: more than %d in a message, or this process may open no more", maxFDs)
		}
		got += n
	}
	return nil
}

// ended tells the end of the connection from other errors.
func ended(err error) error {
	for _, end := range []error{io.EOF, net.ErrClosed, unix.ECONNRESET, unix.EPIPE} {
		if errors.Is(err, end) {
			return errGone
		}
	}
	return err
}

// collect takes the descriptors out of control messages.
func (w *wire) collect(oob []byte) error {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return fmt.Errorf("control message: %w", err)
	}
	for i := range msgs {
		if msgs[i].Header.Level != unix.SOL_SOCKET || msgs[i].Header.Type != unix.SCM_RIGHTS {
			continue
		}
		fds, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			return fmt.Errorf("descriptors: %w", err)
		}
		w.fds = append(w.fds, fds...)
	}
	return nil
}

// first is the first descriptor that came with the message, -1 if there is none.
func (w *wire) first() int {
	if len(w.fds) == 0 {
		return -1
	}
	return w.fds[0]
}

// take gives it to the caller.
func (w *wire) take() int {
	fd := w.first()
	if fd >= 0 {
		w.fds = w.fds[1:]
	}
	return fd
}

// drop closes the descriptors that nobody took.
func (w *wire) drop() {
	for _, fd := range w.fds {
		closeFD(fd)
	}
	w.fds = w.fds[:0]
}

func (w *wire) reply(id messageID, payload []byte) error {
	h := header{id, flagVersion | flagReply, uint32(len(payload))}
	if _, err := w.conn.Write(append(h.append(nil), payload...)); err != nil {
		return fmt.Errorf("reply to %v: %w", id, ended(err))
	}
	return nil
}

// closeFD closes fd if there is one.
func closeFD(fd int) {
	if fd >= 0 {
		_ = unix.Close(fd)
	}
}

// dupFD gives a second descriptor of fd, -1 if there is none. Flags of the open file, O_NONBLOCK above all, belong to the
// front-end too and are never changed.
func dupFD(fd int) (int, error) {
	if fd < 0 {
		return -1, nil
	}
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("dup of descriptor %d: %w", fd, err)
	}
	return n, nil
}
