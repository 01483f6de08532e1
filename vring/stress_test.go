//go:build linux

package vring

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// lost is how long a side waits for a notification before the test says that it was lost.
const lost = 30 * time.Second

// bell is an eventfd as both sides use it: ringing it twice is ringing it once.
type bell chan struct{}

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

func (b bell) wait() bool {
	select {
	case <-b:
		return true
	default:
	}
	t := time.NewTimer(lost)
	defer t.Stop()
	select {
	case <-b:
		return true
	case <-t.C:
		return false
	}
}

// TestStress has a driver and a device work at the same time, each asleep when there is nothing to do: a notification
// that is suppressed wrongly leaves both asleep.
func TestStress(t *testing.T) {
	const chains = 100_000
	for _, packed := range []bool{false, true} {
		for _, eventIdx := range []bool{false, true} {
			for _, size := range []uint32{2, 64} {
				t.Run(fmt.Sprintf("packed=%v,event=%v,size=%d", packed, eventIdx, size), func(t *testing.T) {
					g := newGuest(t)
					c := ringConfig(size, packed, eventIdx, true)
					d := newDrv(g, c)
					q, err := newVirtq(g.m, c)
					if err != nil {
						t.Fatal(err)
					}
					s := &stress{t: t, d: d, q: q, kick: make(bell, 1), call: make(bell, 1), stopped: make(chan error, 1)}
					go func() { s.stopped <- s.device(rand.New(rand.NewPCG(1, uint64(size)))) }()
					driver := s.driver(chains, rand.New(rand.NewPCG(2, uint64(size))))
					close(s.kick)
					if device := <-s.stopped; driver != nil || device != nil {
						t.Fatalf("driver: %v; device: %v", driver, device)
					}
				})
			}
		}
	}
}

type stress struct {
	t          *testing.T
	d          *drv
	q          *virtq
	kick, call bell
	stopped    chan error
}

// driver sends n chains, each with its number to read and room for its answer, and checks the answers.
func (s *stress) driver(n int, rnd *rand.Rand) error {
	flying := map[uint16]question{}
	buffers := freeBuffers(s.d.conf.size)
	sent, back := 0, 0
	for back < n {
		s.d.quiet()
		for added := 0; sent < n && added < 8 && s.d.fits(2); added++ {
			at := buffers[len(buffers)-1]
			buffers = buffers[:len(buffers)-1]
			binary.LittleEndian.PutUint64(s.d.g.at(at, 8), uint64(sent))
			flying[s.d.add([]segment{{at, 8, false}, {at + 8, 16, true}}, rnd.IntN(3))] = question{uint64(sent), at}
			sent++
		}
		if s.d.publish() {
			s.kick.ring()
		}
		got := 0
		for ; ; got++ {
			name, n, _, ok := s.d.collect(s.t)
			if !ok {
				break
			}
			f, ok := flying[name]
			delete(flying, name)
			if !ok || n != 16 || binary.LittleEndian.Uint64(s.d.g.at(f.at+8, 8)) != ^f.number {
				return fmt.Errorf("chain %d came back with %d bytes; sent: %v, number %#x", name, n, ok, f.number)
			}
			buffers = append(buffers, f.at)
		}
		back += got
		if got > 0 || back == n || s.d.fits(2) && sent < n && rnd.IntN(4) > 0 {
			continue
		}
		s.d.wake(rnd.IntN(max(1, s.outstanding())))
		if s.d.more() {
			continue
		}
		if !s.call.wait() {
			return fmt.Errorf("no interrupt came, %d chains are out, %d of %d back", sent-back, back, n)
		}
	}
	return nil
}

// outstanding is a number of entries that the device owes.
func (s *stress) outstanding() int {
	if s.d.conf.packed {
		return int(s.d.conf.size - s.d.room)
	}
	return len(s.d.sent)
}

// question is a chain in flight: its number, where its buffers are.
type question struct{ number, at uint64 }

func freeBuffers(n uint32) (all []uint64) {
	for i := range n {
		all = append(all, guestHigh+uint64(i)*64)
	}
	return all
}

// device answers, out of order, with up to a few chains in flight.
func (s *stress) device(rnd *rand.Rand) error {
	var c [4]chain
	n := 0
	answer := func() {
		i := rnd.IntN(n)
		var in [8]byte
		var out [16]byte
		c[i].copyIn(in[:])
		binary.LittleEndian.PutUint64(out[:], ^binary.LittleEndian.Uint64(in[:]))
		c[i].copyOut(out[:])
		s.q.push(c[i].head, c[i].descs, 16)
		n--
		c[i], c[n] = c[n], c[i]
	}
	for {
		s.q.suppress()
		ok, err := s.q.pop(&c[n])
		if err != nil {
			return err
		}
		if ok {
			n++
		}
		for n == len(c) || n > 0 && (!ok || rnd.IntN(3) == 0) {
			answer()
		}
		if rnd.IntN(2) == 0 || !ok {
			if s.q.flush() {
				s.call.ring()
			}
		}
		if ok || s.q.await() {
			continue
		}
		if !s.kick.wait() {
			return fmt.Errorf("no kick came")
		}
		select {
		case _, open := <-s.kick:
			if !open {
				return nil
			}
		default:
		}
	}
}
