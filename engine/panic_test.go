//go:build linux

package engine

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
	"github.com/fastfsd/fastfsd/vfs/vfstest"
)

// places are the places where a request may be when something panics.
var places = map[string]func(act) act{
	"on the loop":  func(f act) act { return f },
	"off the loop": offLoop,
}

// TestPanickingHook: a hook that panics ends its request with EIO and nothing else, wherever the request is.
func TestPanickingHook(t *testing.T) {
	each(t, func(t *testing.T, s setting, inline bool) {
		d, fs := newDesk(t, s, inline)
		logs := d.client.e.log.Handler().(*logbook)
		good := fs.add(answer('g'))
		n := 0
		for name, at := range places {
			for how, f := range map[string]act{
				"of the op": func(op *vfs.Op, _ int64, _ int32, _ []byte) (vfs.Payload, vfs.Errno) {
					op.OnDone(panicker{}, 0)
					return vfs.Payload{}, vfs.OK
				},
				"of a memory extent": extentWith(panicker{}, &vfs.File{Pace: &vfs.Pace{Class: vfs.PaceMemory}}),
				"of an extent":       extentWith(panicker{}, &vfs.File{}),
			} {
				d.wantErrno(fs.add(at(f)), vfs.EIO)
				d.wantRead(good, 100, 'g')
				if n++; d.busy() != 0 {
					t.Errorf("hook %s, %s: %d requests are left", how, name, d.busy())
				}
			}
		}
		logs.want(t, n, "engine: panic o")
	})
}

// panicker is a hook.
type panicker struct{}

func (panicker) Done(*vfs.Op, uint64, int32) int32 { panic("a hook") }

// extentWith is an act with a hook on an extent of a file that is not there.
func extentWith(h vfs.Hook, f *vfs.File) act {
	f.Init(1 << 20)
	f.Closer = &kept{}
	return func(op *vfs.Op, off int64, n int32, _ []byte) (vfs.Payload, vfs.Errno) {
		p := op.Extent(f, off, n)
		p.After = h
		return p, vfs.OK
	}
}

// TestPanickingTransport: a panic before the answer was sent makes it EIO; one of the sending loses that request. The loop
// goes on.
func TestPanickingTransport(t *testing.T) {
	d, fs := newDesk(t, settings[0], true)
	logs := d.client.e.log.Handler().(*logbook)
	good, off := fs.add(answer('g')), fs.add(offLoop(answer('o')))
	trip := func(where string) {
		on(t, d.loop, func(*Loop) error {
			d.trip = func(in string) {
				if in == where {
					d.trip = nil
					panic(in)
				}
			}
			return nil
		})
	}
	trip("Hold")
	d.wantErrno(off, vfs.EIO)
	logs.want(t, 1, "engine: panic on a loop")
	d.wantRead(off, 10, 'o')
	for _, base := range []int64{good, off} {
		trip("Reply")
		lost := d.start(readCall(base, 10))
		eventually(t, "the panic", func() bool {
			var tripped bool
			on(t, d.loop, func(*Loop) error { tripped = d.trip == nil; return nil })
			return tripped
		})
		d.wantRead(good, 10, 'g')
		d.wantRead(off, 10, 'o')
		select {
		case <-lost.done:
			t.Error("a lost answer has come")
		default:
		}
		logs.want(t, 1, "engine: panic on a loop")
	}
	on(t, d.loop, func(l *Loop) error { // give the lost ones back, for the desk to end
		for _, p := range d.cells {
			if p.call != nil {
				l.Refuse(p.slot, vfs.EIO)
			}
		}
		return nil
	})
}

// TestPanickingSource: what else was ready is handled.
func TestPanickingSource(t *testing.T) {
	e, logs := newEngine(t, Config{Loops: 1, Pool: 1})
	l, got := e.Loops()[0], results{}
	const each = 200
	var bad, good uint32
	on(t, l, func(l *Loop) error {
		bad, good = l.Attach(panickingSource{}), l.Attach(got)
		for i := range uint32(each) {
			l.SQE().Read(-1, 0, 0, 0).SetUserData(Data(bad, i))
			l.SQE().Read(-1, 0, 0, 0).SetUserData(Data(good, i))
		}
		return nil
	})
	on(t, l, func(l *Loop) error {
		if len(got) != each {
			t.Errorf("%d completions of %d came", len(got), each)
		}
		l.Detach(bad)
		l.Detach(good)
		return nil
	})
	logs.want(t, each, "engine: panic on a loop")
}

type panickingSource struct{}

func (panickingSource) Complete(*Loop, uint32, int32, uint32) { panic("a source") }

// TestPanickingCall: its caller hears of it.
func TestPanickingCall(t *testing.T) {
	e, logs := newEngine(t, Config{Loops: 1, Pool: 1})
	l := e.Loops()[0]
	if err := l.Call(func(*Loop) error { panic("a call") }); err == nil {
		t.Error("a call that panicked has succeeded")
	}
	if err := l.Call(func(*Loop) error { return unix.ENOTDIR }); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("a call's own error: %v", err)
	}
	on(t, l, func(*Loop) error { return nil })
	logs.want(t, 1, "engine: panic on a loop")
}

// TestTruncatedMemory: touching memory that its file has lost is the request's EIO, on every kind of thread.
func TestTruncatedMemory(t *testing.T) {
	mem, err := unix.Mmap(sealed(t, 0), 0, block, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(mem); err != nil {
			t.Error(err)
		}
	})
	each(t, func(t *testing.T, s setting, inline bool) {
		d, fs := newDesk(t, s, inline)
		good := fs.add(answer('g'))
		for name, at := range places {
			t.Run(name, func(t *testing.T) {
				d.wantErrno(fs.add(at(func(op *vfs.Op, _ int64, n int32, _ []byte) (vfs.Payload, vfs.Errno) {
					return op.Bytes(mem[:copy(op.Reply(int(n)), mem)]), vfs.OK
				})), vfs.EIO)
				d.wantRead(good, 100, 'g')
			})
		}
		if n := d.client.Conn().Panics.Load(); n != int64(len(places)) {
			t.Errorf("%d panics", n)
		}
	})
}

// TestRefuse: a request that the transport refuses is not served, and leaves nothing behind.
func TestRefuse(t *testing.T) {
	d, fs := newDesk(t, settings[0], true)
	c := d.wait(d.start(&call{op: abi.OpLookup, body: vfstest.CString("name"), refuse: vfs.ENOLCK}))
	if c.errno != vfs.ENOLCK || len(c.answer) > 0 || fs.refs.Load() != 1 {
		t.Errorf("%v, %d bytes, %d references", c.errno, len(c.answer), fs.refs.Load())
	}
	d.wantRead(fs.add(answer('g')), 10, 'g')
}
