//go:build linux

package vring

import (
	"errors"
	"fmt"
)

func (s *session) setMemTable(p []byte) ([]byte, error) {
	rs, err := parseMemTable(p)
	if err != nil {
		return nil, err
	}
	m, err := mapMemory(rs, s.wire.fds)
	if err != nil {
		return nil, err
	}
	return nil, s.publish(m, s.mem != nil)
}

func (s *session) getMaxMemSlots([]byte) ([]byte, error) { return appendU64(maxRegions), nil }

func (s *session) addMemReg(p []byte) ([]byte, error) {
	r := parseRegion(p[8:])
	if len(s.wire.fds) != 1 {
		return nil, errors.New("came without a descriptor")
	}
	var m *Memory
	var err error
	if s.mem == nil {
		m, err = mapMemory([]Region{r}, s.wire.fds)
	} else {
		m, err = s.mem.with(r, s.wire.fds[0])
	}
	if err != nil {
		return nil, err
	}
	return nil, s.publish(m, false)
}

// remMemReg takes a region away. Some front-ends send its descriptor, of which nothing is made.
func (s *session) remMemReg(p []byte) ([]byte, error) {
	if s.mem == nil {
		return nil, errors.New("there is no memory")
	}
	m, err := s.mem.without(parseRegion(p[8:]))
	if err != nil {
		return nil, err
	}
	return nil, s.publish(m, true)
}

// publish hands a version of the memory to the device, which gives back the one before.
func (s *session) publish(m *Memory, removed bool) error {
	s.mem = m
	if err := s.t.setMemory(m, removed); err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return nil
}

// setLogBase has writes to guest memory logged in a bitmap, once SET_FEATURES asks for it. A reply is always expected.
func (s *session) setLogBase(p []byte) ([]byte, error) {
	if len(s.wire.fds) != 1 {
		return nil, errors.New("came without a descriptor")
	}
	d, err := newDirtyLog(s.wire.fds[0], native.Uint64(p), native.Uint64(p[8:]))
	if err != nil {
		return nil, err
	}
	old := s.dirty
	s.dirty = d
	if s.features&featureLogAll != 0 {
		for i := range s.rings {
			if err := s.relog(i); err != nil {
				return nil, err // a ring may still have the old log, which stays mapped
			}
		}
	}
	if old != nil {
		old.close()
	}
	return appendU64(0), nil
}

// setLogFD refuses an eventfd that would tell of each page that was logged: front-ends look at the bitmap anyway.
func (s *session) setLogFD([]byte) ([]byte, error) {
	return nil, errors.New("the log is not announced")
}
