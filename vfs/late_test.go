package vfs

import (
	"runtime"
	"sync"
	"testing"

	"github.com/fastfsd/fastfsd/abi"
)

// racer leaves READs pending and has several threads answer them, each with a number of bytes of its own.
type racer struct{ racing sync.WaitGroup }

const racers = 3

func (r *racer) Read(op *Op, _ Open, _ int64, _ int32, _ *abi.ReadIn) (Payload, Errno) {
	tok := op.Token()
	for i := range uint32(racers) {
		r.racing.Go(func() { tok.Complete(Errno(i), i+1) }) // 0, 1 and 2: OK and two errors
	}
	runtime.Gosched() // answers come before and after the return
	return Payload{}, Pending
}

func TestOneOfRacingAnswersCounts(t *testing.T) {
	fs := &racer{}
	p := newPeer(t, fs, Options{NoOpen: true, LocalLocks: true})
	const rounds = 40000
	for range rounds {
		e, b := p.send(abi.OpRead, abi.RootID, abi.Bytes(&abi.ReadIn{Size: 100}))
		if e == OK && len(b) != 1 || e != OK && len(b) != 0 || e >= racers {
			t.Fatalf("%v with %d bytes: a mixture of two answers", e, len(b))
		}
		fs.racing.Wait()
	}
	if n := p.c.LateDup.Load(); n != rounds*(racers-1) {
		t.Errorf("%d answers were too late, want %d", n, rounds*(racers-1))
	}
}
