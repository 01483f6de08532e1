//go:build linux

package engine

import (
	"testing"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// total adds up the counters of one opcode.
func total(e *Engine, op abi.Opcode) (sum Counter) {
	for _, c := range e.Counters() {
		if c.Opcode == op {
			sum.Count += c.Count
			sum.Errors += c.Errors
			sum.Offloads += c.Offloads
			sum.Spawns += c.Spawns
			sum.Bytes += c.Bytes
		}
	}
	return sum
}

func wantTotal(t *testing.T, e *Engine, op abi.Opcode, want Counter) {
	t.Helper()
	if got := total(e, op); got != want {
		t.Errorf("opcode %d: %+v, want %+v", op, got, want)
	}
}

// TestCounters: a known mixture of requests is counted as what it was, on loops and off them, by a reader that serves and
// by one that has ended.
func TestCounters(t *testing.T) {
	each(t, func(t *testing.T, s setting, inline bool) {
		e, _ := newEngine(t, Config{Loops: 1, Pool: 2})
		fs := &acts{inline: inline}
		client := e.Attach(newConn(t, fs))
		t.Cleanup(client.Detach)
		check := func() {
			t.Helper()
			r, w := Counter{Count: 3 * countedTurns, Errors: countedTurns, Bytes: 150 * countedTurns}, Counter{Count: 4 * countedTurns, Errors: countedTurns, Bytes: 3000 * countedTurns}
			if inline {
				r.Offloads, w.Offloads = countedTurns, 2*countedTurns // the method, or the extent of a file that may wait
			} else {
				r.Spawns, w.Spawns = r.Count, w.Count
			}
			wantTotal(t, e, abi.OpRead, r)
			wantTotal(t, e, abi.OpWrite, w)
			wantTotal(t, e, 0, Counter{Count: countedTurns, Errors: countedTurns})
			wantTotal(t, e, abi.OpForget, Counter{Count: countedTurns})
		}
		t.Run("open", func(t *testing.T) {
			d := s.open(t, client, e.Loops()[0])
			makeCounted(t, d, fs)
			check()
			if s.reader && cpuCount(e, d.loop.CPU()) == 0 {
				t.Error("a reader that serves is not among the counters")
			}
		})
		check()
		if s.reader && cpuCount(e, e.Loops()[0].CPU()) != 0 {
			t.Error("a reader that has ended is still among the counters")
		}
	})
}

const countedTurns = 25

// makeCounted makes the requests.
func makeCounted(t *testing.T, d *desk, fs *acts) {
	file := openWays(t, emptyFile(t))[3].file // may wait
	good, off, bad, ext := fs.add(answer('g')), fs.add(offLoop(answer('o'))), fs.add(fails(vfs.EACCES)), (&way{file: file}).add(fs)
	const unknown = 60
	for range countedTurns {
		d.wantRead(good, 100, 'g')
		d.wantRead(off, 50, 'o')
		d.wantErrno(bad, vfs.EACCES)
		for _, base := range []int64{good, off, bad, ext} {
			d.wait(d.start(writeCall(base, make([]byte, 1000))))
		}
		d.wait(d.start(&call{op: unknown}))
		d.wait(d.start(&call{op: abi.OpForget, body: make([]byte, 8)}))
	}
}

// cpuCount is how many requests the counters of a CPU have.
func cpuCount(e *Engine, cpu int) (n uint64) {
	for _, c := range e.Counters() {
		if c.CPU == cpu {
			n += c.Count
		}
	}
	return n
}

// TestRefusedIsAnError: what the transport refuses counts like any other.
func TestRefusedIsAnError(t *testing.T) {
	d, _ := newDesk(t, settings[0], true)
	d.wait(d.start(&call{op: abi.OpGetattr, body: make([]byte, 16), refuse: vfs.ENOLCK}))
	wantTotal(t, d.client.e, abi.OpGetattr, Counter{Count: 1, Errors: 1})
}
