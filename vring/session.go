//go:build linux

package vring

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
)

// session is one front-end's connection. All fields belong to run's goroutine, but for wire.conn, which close uses.
type session struct {
	wire wire
	t    target
	log  *slog.Logger

	features uint64 // acknowledged by SET_FEATURES
	protocol uint64 // by SET_PROTOCOL_FEATURES
	mem      *Memory
	dirty    *dirtyLog
	rings    []vringState
	backend  int    // the channel for requests of ours, held so that the front-end does not see it close; -1: none
	said     uint64 // a bit for each request that was complained of: a front-end that errs for ever does not fill the log
}

// errLost is wrapped by errors after which nobody knows what the device does: the connection ends.
var errLost = errors.New("the device is in an unknown state")

// newSession makes a session on a connected socket, which it takes over.
func newSession(conn *net.UnixConn, t target, log *slog.Logger) *session {
	s := &session{wire: wire{conn: conn}, t: t, log: log, backend: -1, rings: make([]vringState, t.queues())}
	for i := range s.rings {
		s.rings[i] = newVringState()
	}
	return s
}

// run serves the front-end until the connection ends, then has the device reset. nil: the front-end has gone, or close was
// called. The guest's memory stays the target's.
func (s *session) run() error {
	defer s.end()
	for {
		m, err := s.wire.receive()
		if err == nil {
			err = s.handle(m)
		}
		s.wire.drop()
		switch {
		case errors.Is(err, errGone):
			return nil
		case err != nil:
			return fmt.Errorf("vhost-user: %w", err)
		}
	}
}

// close ends run, from any goroutine. It does not wait for it.
func (s *session) close() { _ = s.wire.conn.Close() }

// end gives back what the front-end has brought, once nobody uses it any more.
func (s *session) end() {
	s.close()
	err := s.t.reset()
	if err != nil {
		s.log.Error("the device of a front-end that has gone does not stop", "err", err)
	}
	if s.dirty != nil && err == nil {
		s.dirty.close()
	}
	for i := range s.rings {
		s.rings[i].closeFDs()
	}
	closeFD(s.backend)
}

// handle serves one request and answers it: with its own reply, or with an acknowledgement where one is asked for. A request
// that failed and whose sender cannot be told ends the connection, for the sender counts on it.
func (s *session) handle(m message) error {
	r := rules[m.ID]
	reply, err := s.serve(r, m)
	ack := m.Flags&flagNeedReply != 0 && s.protocol&protoReplyAck != 0
	if err == nil {
		if reply == nil && ack {
			reply = appendU64(0)
		}
		if reply == nil {
			return nil
		}
		return s.wire.reply(m.ID, reply)
	}
	err = fmt.Errorf("%v: %w", m.ID, err)
	told := ack && !r.replies
	if told {
		if err := s.wire.reply(m.ID, appendU64(1)); err != nil {
			return err
		}
	}
	if errors.Is(err, errLost) || !told && !r.optional {
		return err
	}
	s.complain(m.ID, err)
	return nil
}

// serve checks what rules say of a request and runs it.
func (s *session) serve(r rule, m message) ([]byte, error) {
	switch {
	case r.run == nil:
		return nil, errors.New("is not served")
	case r.needs&^s.protocol != 0:
		return nil, fmt.Errorf("needs protocol features %#x, which were not agreed upon", r.needs)
	case r.size != anySize && len(m.payload) != r.size:
		return nil, fmt.Errorf("payload of %d bytes, want %d", len(m.payload), r.size)
	case len(s.wire.fds) > r.maxFDs:
		return nil, fmt.Errorf("came with %d descriptors, want %d at most", len(s.wire.fds), r.maxFDs)
	}
	return r.run(s, m.payload)
}

func (s *session) complain(id messageID, err error) {
	if bit := uint64(1) << min(id, 63); s.said&bit == 0 {
		s.said |= bit
		s.log.Warn("a request of the front-end failed; later ones of its kind are not logged", "err", err)
	}
}
