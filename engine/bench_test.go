//go:build linux

package engine

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/ring"
	"github.com/fastfsd/fastfsd/vfs"
	"github.com/fastfsd/fastfsd/vfs/vfstest"
)

// mill is the least transport that there can be: a request is the completion of a NOP, and its answer submits the next
// one, as the answers of FUSE over io_uring do.
type mill struct {
	client *Client
	loop   *Loop
	source uint32
	slots  []*Slot
	msg    []byte
	mem    []byte // the replies' memory
	left   int    // requests to come
	busy   int    // slots in use
	failed vfs.Errno
	done   chan struct{}
}

const millReply = 4096

// openMill makes a mill of so many slots whose request is msg. It lasts as long as the test.
func openMill(t testing.TB, c *Client, l *Loop, width int, msg []byte) *mill {
	t.Helper()
	mem, err := ring.Alloc(width * millReply)
	if err != nil {
		t.Fatal(err)
	}
	m := &mill{client: c, loop: l, msg: msg, mem: mem, done: make(chan struct{}, 1)}
	for i := range width {
		m.slots = append(m.slots, c.NewSlot(l, m, uint32(i)))
	}
	on(t, l, func(l *Loop) error { m.source = l.Attach(m); return nil })
	t.Cleanup(func() {
		on(t, l, func(l *Loop) error { l.Detach(m.source); return nil })
		if err := ring.Free(mem); err != nil {
			t.Error(err)
		}
	})
	return m
}

// run serves n requests.
func (m *mill) run(t testing.TB, n int) {
	m.loop.Do(func(l *Loop) {
		m.left, m.busy = n, len(m.slots)
		for i := range m.slots {
			m.next(l, uint32(i))
		}
	})
	<-m.done
	if m.failed != 0 {
		t.Fatal(m.failed)
	}
}

func (m *mill) next(l *Loop, tag uint32) {
	if m.left > 0 {
		m.left--
		l.SQE().Nop().SetUserData(Data(m.source, tag))
		return
	}
	if m.busy--; m.busy == 0 {
		m.done <- struct{}{}
	}
}

// Complete implements Source.
func (m *mill) Complete(l *Loop, tag uint32, _ int32, _ uint32) {
	s := m.slots[tag]
	m.client.Conn().LoadMessage(s.Op, m.msg, m.mem[tag*millReply:(tag+1)*millReply])
	l.Serve(s)
}

// Reply implements Queue.
func (m *mill) Reply(l *Loop, s *Slot) {
	if e, _ := s.Result(); e != 0 {
		m.failed = e
	}
	s.Sent()
	m.next(l, s.Tag)
}

// Silent implements Queue.
func (m *mill) Silent(l *Loop, s *Slot) { m.Reply(l, s) }

// Hold implements Queue.
func (m *mill) Hold(*Loop, *Slot) {}

// AnyThread implements Queue.
func (m *mill) AnyThread() bool { return false }

// message is a READ of n bytes in one piece.
func message(off int64, n int) []byte {
	body := abi.Bytes(&abi.ReadIn{Offset: uint64(off), Size: uint32(n)})
	h := abi.InHeader{Len: uint32(abi.HeaderSize + len(body)), Opcode: abi.OpRead, Unique: 2, NodeID: abi.RootID}
	return append(append([]byte(nil), abi.Bytes(&h)...), body...)
}

// grist is what a mill can be given: READs that are answered in different ways.
type grist struct {
	name   string
	inline bool
	f      act
}

func grists(t testing.TB) []grist {
	ways := openWays(t, patternFile(t))
	late := make(chan vfs.Token, 1024)
	go func() {
		for tok := range late {
			tok.Complete(vfs.OK, 10)
		}
	}()
	t.Cleanup(func() { close(late) })
	bytes := func(op *vfs.Op, _ int64, n int32, _ []byte) (vfs.Payload, vfs.Errno) {
		return op.Bytes(op.Reply(int(n))), vfs.OK
	}
	return []grist{
		{"inline", true, bytes},
		{"offloaded", true, offLoop(bytes)},
		{"goroutine", false, bytes},
		{"late", true, func(op *vfs.Op, _ int64, _ int32, _ []byte) (vfs.Payload, vfs.Errno) {
			late <- op.Token()
			return vfs.Payload{}, vfs.Pending
		}},
		{"extent cached", true, ways[0].act()},
		{"extent by ring", true, ways[3].act()},
		{"extent in pool", true, offLoop(ways[3].act())},
	}
}

// newMill is a mill for one grist, on an engine of its own.
func newMill(t testing.TB, g grist, width int) *mill {
	t.Helper()
	e, _ := newEngine(t, Config{Loops: 1, Pool: 2})
	fs := &acts{inline: g.inline}
	c, err := vfs.NewConn(vfs.Resolve(fs), vfs.Options{NoOpen: true, LocalLocks: true})
	if err != nil {
		t.Fatal(err)
	}
	vfstest.NewPeer(t, c)
	client := e.Attach(c)
	t.Cleanup(client.Detach)
	return openMill(t, client, e.Loops()[0], width, message(fs.add(g.f), 1024))
}

// BenchmarkRequest is the cost of a request through a loop and its ring, by the way it is answered and by how many there
// are at a time.
func BenchmarkRequest(b *testing.B) {
	for _, g := range grists(b) {
		for _, width := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("%s/width=%d", g.name, width), func(b *testing.B) {
				m := newMill(b, g, width)
				m.run(b, 1000)
				b.ReportAllocs()
				b.ResetTimer()
				m.run(b, b.N)
				b.StopTimer()
			})
		}
	}
}

// BenchmarkServe is a request's share of that without the ring.
func BenchmarkServe(b *testing.B) {
	m := newMill(b, grists(b)[0], 1)
	b.ReportAllocs()
	b.ResetTimer()
	on(b, m.loop, func(l *Loop) error {
		for range b.N {
			m.busy = 2
			m.Complete(l, 0, 0, 0)
		}
		return nil
	})
	b.StopTimer()
}

// TestRequestsDoNotAllocate: none of the ways. Counted over many requests, for an average would hide a rare allocation.
func TestRequestsDoNotAllocate(t *testing.T) {
	for _, g := range grists(t) {
		t.Run(g.name, func(t *testing.T) {
			const requests, noise = 20000, 200 // the runtime's own, and the test's calls
			m := newMill(t, g, 8)
			m.run(t, requests)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			m.run(t, requests)
			runtime.ReadMemStats(&after)
			if n := after.Mallocs - before.Mallocs; n > noise {
				t.Errorf("%d allocations for %d requests", n, requests)
			}
		})
	}
}
