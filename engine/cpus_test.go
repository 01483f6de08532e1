//go:build linux

package engine

import (
	"math"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPinned: each loop's thread, and a reader's, stays on its CPU; more loops than CPUs go round.
func TestPinned(t *testing.T) {
	cpus, err := affinity()
	if err != nil {
		t.Fatal(err)
	}
	e, _ := newEngine(t, Config{Loops: 2*len(cpus) + 1, Pool: 1})
	tids := map[int]bool{}
	for i, l := range e.Loops() {
		if l.Index() != i || l.CPU() != cpus[i%len(cpus)] {
			t.Errorf("loop %d says that it is %d, on CPU %d", i, l.Index(), l.CPU())
		}
		wantPinned(t, func(f func(*Loop)) { l.Do(f) }, l.CPU(), tids)
	}
	if len(tids) != len(e.Loops()) {
		t.Errorf("%d threads for %d loops", len(tids), len(e.Loops()))
	}
	for _, cpu := range cpus {
		if l := e.LoopOf(cpu); l == nil || l.CPU() != cpu || l.Index() >= len(cpus) {
			t.Errorf("the loop of CPU %d is %+v", cpu, l)
		}
	}
	if l := e.LoopOf(1 << 20); l != nil {
		t.Errorf("CPU 1048576 has loop %d", l.Index())
	}
	client := e.Attach(newConn(t, &acts{}))
	t.Cleanup(client.Detach)
	for _, cpu := range cpus {
		wantPinned(t, openReader(t, client, cpu).do, cpu, tids)
	}
	if _, err := e.NewReader(client, 1023); err == nil {
		t.Error("a reader on a CPU that is not there")
	}
}

// wantPinned looks where the thread of a loop may run, and notes it.
func wantPinned(t *testing.T, do func(func(*Loop)), cpu int, tids map[int]bool) {
	t.Helper()
	got := make(chan []int)
	do(func(*Loop) {
		on, err := affinity()
		if err != nil {
			t.Error(err)
		}
		got <- append(on, unix.Gettid())
	})
	on := within(t, "a thread", got)
	if n := len(on) - 1; !slices.Equal(on[:n], []int{cpu}) {
		t.Errorf("a thread of CPU %d may run on %v", cpu, on[:n])
	}
	tids[on[len(on)-1]] = true
}

func TestParseQuota(t *testing.T) {
	for text, want := range map[string]int{
		"max 100000\n": math.MaxInt, "100000 100000\n": 1, "150000 100000": 2, "1 100000": 1, "-1 100000\n": math.MaxInt,
		"0 100000": math.MaxInt, "100000 0": math.MaxInt, "": math.MaxInt, "1 2 3": math.MaxInt, "250000\n 100000\n": 3,
	} {
		if got := parseQuota(text); got != want {
			t.Errorf("%q: %d CPUs, want %d", text, got, want)
		}
	}
	if n := cpuQuota(); n < 1 {
		t.Errorf("a quota of %d CPUs", n)
	}
}
