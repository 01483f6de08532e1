//go:build linux

package vring

import (
	"testing"

	"pgregory.net/rapid"
)

// modelRing is what the specification makes of one ring.
type modelRing struct {
	size                      uint32
	addr                      ringAddr
	base                      uint32
	based                     bool
	kick, call, err           bool
	started, enabled, running bool
}

// sessionModel is a front-end that sends anything that is well-formed, and knows what must come of it.
type sessionModel struct {
	f      *frontend
	event  int // descriptors to send
	guest  int
	bitmap int

	features uint64
	mem, log bool
	rings    [2]modelRing
}

var modelFeatures = []uint64{
	splitBits, splitBits | featureLogAll, splitBits &^ featureProtocol, splitBits | featureRingPacked, splitBits &^ featureEventIdx,
	splitBits | 1<<35,
}

// TestSessionModel compares the session with the model, request by request.
func TestSessionModel(t *testing.T) {
	kit := &frontend{TB: t}
	event, guest, bitmap := kit.event(), kit.file(8<<20), kit.file(0x4000)
	rapid.Check(t, func(rt *rapid.T) {
		target := newFakeTarget(t, 2)
		m := &sessionModel{f: newFrontend(t, target), event: event, guest: guest, bitmap: bitmap}
		defer target.release()
		defer m.f.hangUp()
		m.f.send(msgSetProtocolFeatures, 0, appendU64(allProtocol))
		rt.Repeat(map[string]func(*rapid.T){
			"num":      m.num,
			"base":     m.base,
			"addr":     m.addr,
			"kick":     func(rt *rapid.T) { m.file(rt, msgSetVringKick) },
			"call":     func(rt *rapid.T) { m.file(rt, msgSetVringCall) },
			"err":      func(rt *rapid.T) { m.file(rt, msgSetVringErr) },
			"enable":   m.enable,
			"getBase":  m.getBase,
			"features": m.setFeatures,
			"reset":    m.reset,
			"memory":   m.memory,
			"log":      m.setLog,
			"":         m.check,
		})
	})
}

func pick(rt *rapid.T) uint32 { return rapid.Uint32Range(0, 1).Draw(rt, "ring") }

// tell sends a request and compares its outcome.
func (m *sessionModel) tell(rt *rapid.T, good bool, id messageID, payload []byte, fds ...int) {
	if code := m.f.askU64(id, flagNeedReply, payload, fds...); (code == 0) != good {
		rt.Fatalf("%v: %d, want success: %t", id, code, good)
	}
}

// runs says whether a start of r succeeds.
func (m *sessionModel) runs(r *modelRing) bool {
	good := m.mem && r.addr.Desc != 0 && r.size > 0
	if m.features&featureRingPacked == 0 {
		return good && r.size&(r.size-1) == 0
	}
	// the base has two places in the ring
	return good && (!r.based || r.base&0x7fff < r.size && r.base>>16&0x7fff < r.size)
}

// settle starts and stops r, and says whether that succeeds.
func (m *sessionModel) settle(r *modelRing) bool {
	switch want := r.started && r.enabled; {
	case r.running && !want:
		m.stop(r)
	case !r.running && want && !m.runs(r):
		r.started = false
		return false
	case !r.running && want:
		r.running = true
		if !r.based && m.features&featureRingPacked != 0 {
			r.base = freshPacked
		}
	}
	return true
}

func (m *sessionModel) stop(r *modelRing) { r.running, r.base, r.based = false, r.base+7, true }

func (m *sessionModel) num(rt *rapid.T) {
	i, n := pick(rt), rapid.SampledFrom([]uint32{0, 3, 256, 32768, 32769}).Draw(rt, "size")
	r := &m.rings[i]
	good := !r.running && n > 0 && n <= 32768
	if good {
		r.size = n
	}
	m.tell(rt, good, msgSetVringNum, ringState{i, n}.bytes())
}

func (m *sessionModel) base(rt *rapid.T) {
	i, n := pick(rt), rapid.Uint32Range(0, 1000).Draw(rt, "base")
	r := &m.rings[i]
	good := !r.running
	if good {
		r.base, r.based = n, true
	}
	m.tell(rt, good, msgSetVringBase, ringState{i, n}.bytes())
}

// addr gives the ring one of two places, or none, with and without logging.
func (m *sessionModel) addr(rt *rapid.T) {
	i := pick(rt)
	r := &m.rings[i]
	a := ringAddr{Index: i}
	if place := rapid.Uint64Range(0, 2).Draw(rt, "place"); place > 0 {
		at := testUVA + place<<21 // 32768 descriptors are 512 KiB
		a.Desc, a.Avail, a.Used = at, at+0x8_0000, at+0xa_0000
	}
	if rapid.Bool().Draw(rt, "logged") {
		a.Flags, a.Log = addrFlagLog, 0x1000
	}
	moved := a.Desc != r.addr.Desc
	r.addr = a
	good := true
	if r.running && moved {
		m.stop(r)
		good = m.settle(r)
	}
	m.tell(rt, good, msgSetVringAddr, a.bytes())
}

func (m *sessionModel) file(rt *rapid.T, id messageID) {
	i, has := pick(rt), rapid.Bool().Draw(rt, "descriptor")
	r := &m.rings[i]
	good := true
	switch id {
	case msgSetVringCall:
		r.call = has
	case msgSetVringErr:
		r.err = has
	default:
		r.kick, r.started = has, true
		if r.running {
			m.stop(r)
		}
		good = m.settle(r)
	}
	if has {
		m.tell(rt, good, id, appendU64(uint64(i)), m.event)
		return
	}
	m.tell(rt, good, id, appendU64(uint64(i)|0x100))
}

func (m *sessionModel) enable(rt *rapid.T) {
	i, n := pick(rt), rapid.Uint32Range(0, 2).Draw(rt, "on")
	good := n < 2
	if good {
		m.rings[i].enabled = n == 1
		good = m.settle(&m.rings[i])
	}
	m.tell(rt, good, msgSetVringEnable, ringState{i, n}.bytes())
}

func (m *sessionModel) getBase(rt *rapid.T) {
	i := pick(rt)
	r := &m.rings[i]
	r.started = false
	m.settle(r)
	r.kick = false
	want := r.base
	if !r.based && m.features&featureRingPacked != 0 {
		want = freshPacked
	}
	if got := parseRingState(m.f.ask(msgGetVringBase, 0, ringState{i, 0}.bytes())); got != (ringState{i, want}) {
		rt.Fatalf("base %+v, want %d", got, want)
	}
}

func (m *sessionModel) setFeatures(rt *rapid.T) {
	f := rapid.SampledFrom(modelFeatures).Draw(rt, "features")
	run := m.rings[0].running || m.rings[1].running
	good := f&^allFeatures == 0 && (!run || (f^m.features)&^featureLogAll == 0)
	if good {
		m.features = f
		for i := range m.rings {
			r := &m.rings[i]
			r.enabled = r.enabled || f&featureProtocol == 0
		}
		for i := range m.rings {
			good = m.settle(&m.rings[i]) && good
		}
	}
	m.tell(rt, good, msgSetFeatures, appendU64(f))
}

func (m *sessionModel) reset(rt *rapid.T) {
	m.features = 0
	for i := range m.rings {
		m.rings[i] = modelRing{call: m.rings[i].call, err: m.rings[i].err}
	}
	m.tell(rt, true, msgResetDevice, nil)
}

// memory adds the one region, or removes it.
func (m *sessionModel) memory(rt *rapid.T) {
	r := Region{GPA: 0x1000_0000, Size: 8 << 20, UVA: testUVA}
	if m.mem && rapid.Bool().Draw(rt, "remove") {
		m.tell(rt, true, msgRemMemReg, regOf(r))
		m.mem = false
		return
	}
	m.tell(rt, !m.mem, msgAddMemReg, regOf(r), m.guest)
	m.mem = true
}

func (m *sessionModel) setLog(rt *rapid.T) {
	m.tell(rt, true, msgSetLogBase, append(appendU64(0x4000), appendU64(0)...), m.bitmap)
	m.log = true
}

// check compares what the device has.
func (m *sessionModel) check(rt *rapid.T) {
	for i, r := range m.rings {
		got := m.f.target.ring(i)
		if got.running != r.running {
			rt.Fatalf("queue %d runs: %t, want %t", i, got.running, r.running)
		}
		if !r.running {
			continue
		}
		logs := m.features&featureLogAll != 0
		want := virtqConfig{
			size: r.size, desc: r.addr.Desc, avail: r.addr.Avail, used: r.addr.Used, base: r.base, indirect: m.features&featureIndirect != 0,
			packed: m.features&featureRingPacked != 0, eventIdx: m.features&featureEventIdx != 0, dirty: got.conf.dirty,
		}
		if logs {
			want.logUsed = r.addr.Log
		}
		if got.conf != want || (got.conf.dirty != nil) != (logs && m.log) {
			rt.Fatalf("queue %d has %+v, want %+v", i, got.conf, want)
		}
		if (got.kick >= 0) != r.kick || (got.call >= 0) != r.call || (got.err >= 0) != r.err {
			rt.Fatalf("queue %d has descriptors %d, %d and %d, want %t, %t, %t", i, got.kick, got.call, got.err, r.kick, r.call, r.err)
		}
	}
}
