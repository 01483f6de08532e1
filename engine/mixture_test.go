//go:build linux

package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// setting is where requests come from in a test, and who may send their answers.
type setting struct {
	name        string
	reader, any bool
}

var settings = []setting{
	{"loop", false, false},     // as FUSE over io_uring
	{"loop, any", false, true}, // as the classic transport
	{"reader", true, true},     // as the blocking transport
}

func (s setting) open(t testing.TB, c *Client, l *Loop) *desk {
	if s.reader {
		return openReader(t, c, l.CPU())
	}
	return openDesk(t, c, l, s.any)
}

// each runs f in all settings, with a file system that runs on loops and with one that gets goroutines.
func each(t *testing.T, f func(t *testing.T, s setting, inline bool)) {
	for _, s := range settings {
		for _, inline := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/inline=%v", s.name, inline), func(t *testing.T) { f(t, s, inline) })
		}
	}
}

const (
	mixtureRequests = 3000
	mixtureInFlight = 48
)

// TestMixture: requests that are answered in every way that there is, mixed at random and interrupted at random, each get
// their own answer, once. Afterwards nothing is left, and the counters know them all.
func TestMixture(t *testing.T) {
	each(t, func(t *testing.T, s setting, inline bool) {
		seed := rand.Uint64()
		t.Log("seed", seed)
		m := newMixture(t, s, inline)
		m.run(rand.New(rand.NewPCG(seed, 0)))
		m.check()
	})
}

// mixture is one run of TestMixture.
type mixture struct {
	t      *testing.T
	e      *Engine
	fs     *acts
	conn   *vfs.Conn
	client *Client
	desks  []*desk
	kinds  []kind

	late       chan late
	pending    atomic.Int64 // requests that were left pending
	completed  atomic.Int64 // calls of Complete that counted
	panics     atomic.Int64
	interrupts []*call
	region     int64 // that no WRITE has used
}

// kind is one way to be answered.
type kind struct {
	name string
	rare bool
	make func(r *rand.Rand) *call
	good func(c *call) bool // the answer is right
}

// late is a request for another thread to answer.
type late struct {
	token vfs.Token
	n     uint32
}

func newMixture(t *testing.T, s setting, inline bool) *mixture {
	e, _ := newEngine(t, Config{Loops: 2, Pool: 3})
	m := &mixture{t: t, e: e, fs: &acts{inline: inline}, late: make(chan late, mixtureRequests)}
	m.fs.cancel = func(tok vfs.Token) { m.complete(tok, vfs.EINTR, 0) }
	m.conn = newConn(t, m.fs)
	m.client = e.Attach(m.conn)
	t.Cleanup(m.client.Detach)
	for _, l := range e.Loops() {
		m.desks = append(m.desks, s.open(t, m.client, l))
	}
	for range 3 {
		go m.answerLate(rand.New(rand.NewPCG(rand.Uint64(), 0)))
	}
	t.Cleanup(func() { close(m.late) })
	m.addBytes()
	m.addPanics()
	m.addLate()
	m.addLookups()
	m.addReads(patternFile(t))
	m.addWrites(emptyFile(t))
	return m
}

// complete answers a token. Several may try.
func (m *mixture) complete(tok vfs.Token, e vfs.Errno, val uint32) {
	if tok.Complete(e, val) {
		m.completed.Add(1)
	}
}

// answerLate answers requests after a while.
func (m *mixture) answerLate(r *rand.Rand) {
	for x := range m.late {
		switch r.IntN(3) {
		case 0:
			runtime.Gosched()
		case 1:
			time.Sleep(time.Duration(r.IntN(200)) * time.Microsecond)
		}
		m.complete(x.token, vfs.OK, x.n)
	}
}

// add adds a kind of READ; good looks at the answer to one of n bytes.
func (m *mixture) add(name string, f act, good func(c *call, n int) bool) {
	off := m.fs.add(f)
	m.kinds = append(m.kinds, kind{name, false, func(r *rand.Rand) *call { return readCall(off, size(r)) }, func(c *call) bool {
		_, n := readArgs(c)
		return good(c, n)
	}})
}

// size is small as often as not.
func size(r *rand.Rand) int {
	if r.IntN(2) == 0 {
		return r.IntN(200)
	}
	return r.IntN(deskPayload + 1)
}

// addBytes adds what the method answers by itself, on the loop and in the pool.
func (m *mixture) addBytes() {
	full := func(b byte) func(*call, int) bool {
		return func(c *call, n int) bool {
			return c.errno == vfs.OK && bytes.Equal(c.answer, bytes.Repeat([]byte{b}, n))
		}
	}
	m.add("bytes", answer('a'), full('a'))
	m.add("bytes, off the loop", offLoop(answer('b')), full('b'))
	m.add("error", fails(vfs.ENOSPC), failed(vfs.ENOSPC))
	m.add("error, off the loop", offLoop(fails(vfs.ENOLCK)), failed(vfs.ENOLCK))
	m.add("always would block", fails(vfs.WouldBlock), failed(vfs.EIO))
	m.add("pending without a token", fails(vfs.Pending), failed(vfs.EIO))
}

func failed(e vfs.Errno) func(*call, int) bool {
	return func(c *call, _ int) bool { return c.errno == e && len(c.answer) == 0 }
}

func (m *mixture) addPanics() {
	f := func(*vfs.Op, int64, int32, []byte) (vfs.Payload, vfs.Errno) { m.panics.Add(1); panic("an act") }
	m.add("panic", f, failed(vfs.EIO))
	m.add("panic, off the loop", offLoop(f), failed(vfs.EIO))
}

// addLate adds what is answered by Complete, by INTERRUPT or by whichever comes first.
func (m *mixture) addLate() {
	pending := func(hand func(x late)) act {
		return func(op *vfs.Op, _ int64, n int32, _ []byte) (vfs.Payload, vfs.Errno) {
			m.pending.Add(1)
			hand(late{op.Token(), uint32(n)})
			return vfs.Payload{}, vfs.Pending
		}
	}
	some := func(c *call, n int) bool {
		return c.errno == vfs.OK && len(c.answer) == n || c.errno == vfs.EINTR && len(c.answer) == 0
	}
	for name, hand := range map[string]func(late){
		"late":  func(x late) { m.late <- x },
		"early": func(x late) { m.complete(x.token, vfs.OK, x.n) },
		"race":  func(x late) { go m.complete(x.token, vfs.OK, x.n); go m.complete(x.token, vfs.EINTR, 0) },
	} {
		m.add(name, pending(hand), some)
		m.add(name+", off the loop", offLoop(pending(hand)), some)
	}
	m.add("waits for INTERRUPT", offLoop(func(op *vfs.Op, _ int64, n int32, _ []byte) (vfs.Payload, vfs.Errno) {
		select {
		case <-op.Done():
			return vfs.Payload{}, vfs.EINTR
		case <-time.After(100 * time.Microsecond):
			return op.Bytes(op.Reply(int(n))), vfs.OK
		}
	}), some)
}

// addLookups adds answers that carry a reference, some of which are lost on the way.
func (m *mixture) addLookups() {
	for _, name := range []string{"n", "waits"} {
		m.kinds = append(m.kinds, kind{"lookup " + name, false, func(r *rand.Rand) *call {
			body := []byte{name[0], byte('a' + r.IntN(20)), 0}
			return &call{op: abi.OpLookup, body: body, lose: r.IntN(3) == 0}
		}, func(c *call) bool { return c.errno == vfs.OK }})
	}
}

func (m *mixture) addReads(path string) {
	for _, w := range openWays(m.t, path) {
		base := w.add(m.fs)
		m.kinds = append(m.kinds, kind{"read: " + w.name, w.disk, func(r *rand.Rand) *call {
			return readCall(base+int64(w.fit(r.IntN(len(pattern)+2*block))), w.fit(size(r)))
		}, func(c *call) bool {
			off, n := readArgs(c)
			return c.errno == vfs.OK && bytes.Equal(c.answer, patternAt(off, n))
		}})
	}
}

func (m *mixture) addWrites(path string) {
	for _, w := range openWays(m.t, path) {
		if w.before != nil {
			continue
		}
		base := w.add(m.fs)
		m.kinds = append(m.kinds, kind{"write: " + w.name, w.disk, func(r *rand.Rand) *call {
			n, off := w.fit(size(r)), r.IntN(len(pattern)-deskPayload)
			m.region += deskPayload
			return writeCall(base+m.region, pattern[off:off+n])
		}, func(c *call) bool {
			off, data := writeArgs(c)
			return c.errno == vfs.OK && written(c) == len(data) && holds(path, off, data)
		}})
	}
}

// run makes all requests, so many at a time.
func (m *mixture) run(r *rand.Rand) {
	slots := make(chan struct{}, mixtureInFlight)
	for range mixtureRequests {
		k := m.kinds[r.IntN(len(m.kinds))]
		for k.rare && r.IntN(10) > 0 {
			k = m.kinds[r.IntN(len(m.kinds))]
		}
		c := m.desks[r.IntN(len(m.desks))].start(k.make(r))
		slots <- struct{}{}
		go func() {
			<-c.done
			if !k.good(c) {
				m.t.Errorf("%s: %v with %d bytes to a body of %d", k.name, c.errno, len(c.answer), len(c.body))
			}
			<-slots
		}()
		if r.IntN(3) == 0 { // this one, or an earlier one
			i := m.desks[r.IntN(len(m.desks))].interrupt(c.unique - uint64(2*r.IntN(8)))
			m.interrupts = append(m.interrupts, i)
		}
	}
	for range mixtureInFlight {
		select {
		case slots <- struct{}{}:
		case <-time.After(limit):
			m.t.Fatalf("%d requests are not answered\n%s", len(slots), stacks())
		}
	}
	for _, i := range m.interrupts {
		if m.desks[0].wait(i); !i.silent || len(i.answer) > 0 {
			m.t.Error("an INTERRUPT is answered")
		}
	}
}

// check looks at what is left.
func (m *mixture) check() {
	eventually(m.t, "nothing is in flight", func() bool { return m.desks[0].busy()+m.desks[1].busy()+m.conn.InFlight() == 0 })
	eventually(m.t, "each late request has one answer that counts", func() bool { // whose sender may still be on its way
		return m.pending.Load() == m.completed.Load()
	})
	if p, c := m.panics.Load(), m.conn.Panics.Load(); p != c {
		m.t.Errorf("%d panics of %d were seen", c, p)
	}
	sum := uint64(0)
	for _, c := range m.e.Counters() {
		sum += c.Count
	}
	if made := mixtureRequests + len(m.interrupts); sum != uint64(made) {
		m.t.Errorf("%d requests were counted, %d made", sum, made)
	}
	for _, l := range m.e.Loops() {
		on(m.t, l, func(l *Loop) error {
			if l.ioLive != 0 || len(l.ioFree) != len(l.ios) || len(l.entered) > 1 {
				m.t.Errorf("loop %d: %d extents in the ring, %d of %d places free", l.index, l.ioLive, len(l.ioFree), len(l.ios))
			}
			return nil
		})
	}
	m.conn.Shutdown()
	within(m.t, "the end of the connection", m.conn.Done())
	if n := m.fs.refs.Load(); n != 0 {
		m.t.Errorf("%d references were not given back", n)
	}
}
