//go:build linux

package vring

import (
	"errors"
	"fmt"
)

// vringState is what the front-end has said about one ring. The device has it run when it is started, by SET_VRING_KICK, and
// enabled, by SET_VRING_ENABLE. The descriptors are the session's; the device gets duplicates.
type vringState struct {
	size  uint32
	addr  ringAddr
	base  uint32
	based bool // base was set; else it is that of a fresh ring

	kick, call, err           int // -1: none
	started, enabled, running bool
}

// maxRingSize is virtio's limit for split rings and packed ones.
const maxRingSize = 32768

// freshPacked is the base of a packed ring that never ran: both wrap counters are 1.
const freshPacked = 1<<15 | 1<<31

func newVringState() vringState { return vringState{kick: -1, call: -1, err: -1} }

// reset forgets all but the descriptors for interrupts and errors. Preconditions: the ring does not run.
func (v *vringState) reset() {
	closeFD(v.kick)
	*v = vringState{kick: -1, call: v.call, err: v.err}
}

func (v *vringState) closeFDs() {
	closeFD(v.kick)
	closeFD(v.call)
	closeFD(v.err)
}

func (s *session) ring(i uint32) (*vringState, error) {
	if i >= uint32(len(s.rings)) {
		return nil, fmt.Errorf("ring %d, there are %d", i, len(s.rings))
	}
	return &s.rings[i], nil
}

func (s *session) running() bool {
	for i := range s.rings {
		if s.rings[i].running {
			return true
		}
	}
	return false
}

// settle has ring i run or not, as its state says.
func (s *session) settle(i int) error {
	v := &s.rings[i]
	want := v.started && v.enabled
	if v.running == want {
		return nil
	}
	if !want {
		return s.stop(i)
	}
	if err := s.start(i); err != nil {
		v.started = false // a new SET_VRING_KICK tries again
		return fmt.Errorf("ring %d: %w", i, err)
	}
	v.running = true
	return nil
}

// again has ring i take notice of what it reads only when it is started.
func (s *session) again(i int) error {
	if s.rings[i].running {
		if err := s.stop(i); err != nil {
			return err
		}
	}
	return s.settle(i)
}

// relog has ring i, if it runs, log as the state of the log says now. Nothing that waits for its requests to end would
// do: it would cancel the guest's waits for locks when a migration begins.
func (s *session) relog(i int) error {
	v := &s.rings[i]
	if !v.running {
		return nil
	}
	d, used := s.logOf(v)
	if err := s.t.setLog(i, d, used); err != nil {
		return fmt.Errorf("%w: ring %d: the log does not change: %w", errLost, i, err)
	}
	return nil
}

func (s *session) stop(i int) error {
	v := &s.rings[i]
	base, err := s.t.stop(i)
	if err != nil {
		return fmt.Errorf("%w: ring %d does not stop: %w", errLost, i, err)
	}
	v.base, v.based, v.running = base, true, false
	return nil
}

func (s *session) start(i int) error {
	v := &s.rings[i]
	if s.mem == nil {
		return errors.New("is started before there is guest memory")
	}
	fds := [3]int{v.kick, v.call, v.err}
	for n, fd := range fds {
		d, err := dupFD(fd)
		if err != nil {
			for _, fd := range fds[:n] {
				closeFD(fd)
			}
			return err
		}
		fds[n] = d
	}
	return s.t.start(i, s.virtqConfig(v), fds[0], fds[1], fds[2], s.features)
}

func (s *session) virtqConfig(v *vringState) virtqConfig {
	c := virtqConfig{
		size: v.size, desc: v.addr.Desc, avail: v.addr.Avail, used: v.addr.Used, base: v.base,
		packed:   s.features&featureRingPacked != 0,
		eventIdx: s.features&featureEventIdx != 0,
		indirect: s.features&featureIndirect != 0,
	}
	if c.packed && !v.based {
		c.base = freshPacked
	}
	c.dirty, c.logUsed = s.logOf(v)
	return c
}

// logOf is where v logs what it writes, and the guest address by which its used ring is logged; 0: it is not.
func (s *session) logOf(v *vringState) (d *dirtyLog, used uint64) {
	if s.features&featureLogAll == 0 {
		return nil, 0
	}
	if v.addr.Flags&addrFlagLog != 0 {
		used = v.addr.Log
	}
	return s.dirty, used
}

func (s *session) setVringNum(p []byte) ([]byte, error) {
	r := parseRingState(p)
	v, err := s.ring(r.Index)
	switch {
	case err != nil:
		return nil, err
	case v.running:
		return nil, fmt.Errorf("ring %d runs", r.Index)
	case r.Num == 0 || r.Num > maxRingSize:
		return nil, fmt.Errorf("ring %d: size %d, want 1 to %d", r.Index, r.Num, maxRingSize)
	}
	v.size = r.Num
	return nil, nil
}

// setVringAddr may come while the ring runs: that is how logging of its used ring begins and ends.
func (s *session) setVringAddr(p []byte) ([]byte, error) {
	a := parseRingAddr(p)
	v, err := s.ring(a.Index)
	switch {
	case err != nil:
		return nil, err
	case a.Flags&^addrFlagLog != 0:
		return nil, fmt.Errorf("ring %d: flags %#x, only %#x is known", a.Index, a.Flags, addrFlagLog)
	}
	old := v.addr
	v.addr = a
	if v.running && (a.Desc != old.Desc || a.Avail != old.Avail || a.Used != old.Used) {
		return nil, s.again(int(a.Index))
	}
	if s.features&featureLogAll == 0 {
		return nil, nil
	}
	return nil, s.relog(int(a.Index))
}

func (s *session) setVringBase(p []byte) ([]byte, error) {
	r := parseRingState(p)
	v, err := s.ring(r.Index)
	switch {
	case err != nil:
		return nil, err
	case v.running:
		return nil, fmt.Errorf("ring %d runs", r.Index)
	}
	v.base, v.based = r.Num, true
	return nil, nil
}

// getVringBase stops the ring and says where it would go on.
func (s *session) getVringBase(p []byte) ([]byte, error) {
	r := parseRingState(p)
	v, err := s.ring(r.Index)
	if err != nil {
		return nil, err
	}
	v.started = false
	if err := s.settle(int(r.Index)); err != nil {
		return nil, err
	}
	closeFD(v.kick)
	v.kick = -1
	return ringState{r.Index, s.virtqConfig(v).base}.bytes(), nil
}

func (s *session) setVringEnable(p []byte) ([]byte, error) {
	r := parseRingState(p)
	v, err := s.ring(r.Index)
	switch {
	case err != nil:
		return nil, err
	case r.Num > 1:
		return nil, fmt.Errorf("ring %d: %d is neither 0 nor 1", r.Index, r.Num)
	}
	v.enabled = r.Num == 1
	return nil, s.settle(int(r.Index))
}

// setVringKick starts the ring. Without a descriptor it is polled.
func (s *session) setVringKick(p []byte) ([]byte, error) {
	v, i, err := s.ringFile(p)
	if err != nil {
		return nil, err
	}
	closeFD(v.kick)
	v.kick = s.wire.take()
	v.started = true
	return nil, s.again(i)
}

func (s *session) setVringCall(p []byte) ([]byte, error) {
	v, i, err := s.ringFile(p)
	if err != nil {
		return nil, err
	}
	return nil, s.exchange(v, i, &v.call, s.t.setCall)
}

func (s *session) setVringErr(p []byte) ([]byte, error) {
	v, i, err := s.ringFile(p)
	if err != nil {
		return nil, err
	}
	return nil, s.exchange(v, i, &v.err, s.t.setErr)
}

// ringFile reads the payload of SET_VRING_KICK, CALL or ERR, and finds that the descriptor is there or not as it says.
func (s *session) ringFile(p []byte) (*vringState, int, error) {
	f, err := parseRingFile(p)
	if err != nil {
		return nil, 0, err
	}
	v, err := s.ring(f.Index)
	switch {
	case err != nil:
		return nil, 0, err
	case f.NoFD != (len(s.wire.fds) == 0):
		return nil, 0, fmt.Errorf("ring %d: came with %d descriptors, and bit 8 says %t", f.Index, len(s.wire.fds), f.NoFD)
	}
	return v, int(f.Index), nil
}

// exchange puts the message's descriptor in place of *at, and hands it to the device if the ring runs.
func (s *session) exchange(v *vringState, i int, at *int, set func(i, fd int)) error {
	if v.running {
		fd, err := dupFD(s.wire.first())
		if err != nil {
			return err
		}
		set(i, fd)
	}
	closeFD(*at)
	*at = s.wire.take()
	return nil
}
