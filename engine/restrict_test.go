//go:build linux

package engine

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/ring"
)

// results keeps the results of completions by tag. It belongs to its loop.
type results map[uint32]int32

// Complete implements Source.
func (r results) Complete(_ *Loop, tag uint32, res int32, _ uint32) { r[tag] = res }

// TestRestrictions: a loop's ring takes its four operations and no other, without flags, and registers nothing.
func TestRestrictions(t *testing.T) {
	e, _ := newEngine(t, Config{Loops: 1, Pool: 1})
	last := lastOp(t)
	tag := func(op ring.Op, flag uint8) uint32 { return uint32(op)<<8 | uint32(flag) }
	flags := []uint8{0, ring.SQEFixedFile, ring.SQEIODrain, ring.SQEIOLink, ring.SQEIOHardlink, ring.SQEAsync, ring.SQEBufferSelect, ring.SQECQESkipSuccess}
	got := results{}
	on(t, e.Loops()[0], func(l *Loop) error {
		id := l.Attach(got)
		for op := range last + 1 {
			for _, f := range flags {
				s := l.SQE()
				s.Opcode, s.Fd = op, -1
				s.SetFlags(f).SetUserData(Data(id, tag(op, f)))
				if err := l.Submit(); err != nil { // each by itself: links
					return err
				}
			}
		}
		return nil
	})
	eventually(t, "all submissions complete", func() (all bool) {
		on(t, e.Loops()[0], func(*Loop) error { all = len(got) == int(last+1)*len(flags); return nil })
		return all
	})
	on(t, e.Loops()[0], func(l *Loop) error {
		for op := range last + 1 {
			for _, f := range flags {
				res, ok := got[tag(op, f)]
				allowed := f == 0 && slices.Contains(restrictions.Ops, op)
				refused := res == -int32(unix.EACCES) || f != 0 && res == -int32(unix.EOPNOTSUPP) // a flag that the operation never takes
				if !ok || allowed == refused {
					t.Errorf("operation %d with flags %#x completes with %d (%v)", op, f, res, ok)
				}
			}
		}
		_, probe := l.ring.Probe()
		_, who := l.ring.RegisterPersonality()
		for _, err := range []error{probe, who, l.ring.RegisterFiles([]int32{0})} {
			if !errors.Is(err, unix.EACCES) {
				t.Errorf("a registration: %v", err)
			}
		}
		l.Detach(1)
		return nil
	})
}

// lastOp is the highest operation that the kernel knows.
func lastOp(t *testing.T) ring.Op {
	r, err := ring.New(ring.Config{Entries: 1})
	if err != nil {
		t.Fatal(err)
	}
	ops, err := r.Probe()
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return ops.Last()
}
