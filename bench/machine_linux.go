package bench

import (
	"bufio"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// thisHost is what can be known without measuring.
func thisHost() Host {
	var u unix.Utsname
	h := Host{CPU: "unknown CPU", CPUs: runtime.NumCPU()}
	if unix.Uname(&u) == nil {
		h.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		h.Load = strings.Join(strings.Fields(string(b))[:3], " ")
	}
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == "model name" {
				h.CPU = strings.TrimSpace(v)
				break
			}
		}
	}
	return h
}

// measureCosts takes the best of a few rounds each: a neighbour only ever adds.
func measureCosts() (Costs, error) {
	const rounds = 5
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return Costs{}, err
	}
	var cpus []int
	for i := range 1024 {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	var calls, same, cross []float64
	for range rounds {
		calls = append(calls, syscallCost())
		ns, err := pipeCost(cpus[0], cpus[0])
		if err != nil {
			return Costs{}, err
		}
		same = append(same, ns)
		if len(cpus) > 1 {
			if ns, err = pipeCost(cpus[0], cpus[1]); err != nil {
				return Costs{}, err
			}
			cross = append(cross, ns)
		}
	}
	c := Costs{Syscall: slices.Min(calls), WakeSame: slices.Min(same)}
	if len(cross) > 0 {
		c.WakeCross = slices.Min(cross)
	}
	return c, nil
}

func syscallCost() float64 {
	const n = 50000
	start := time.Now()
	for range n {
		unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0)
	}
	return float64(time.Since(start).Nanoseconds()) / n
}

// pipeCost is the round trip of a byte between two threads pinned to CPUs a and b.
func pipeCost(a, b int) (float64, error) {
	const n = 2000
	var there, back [2]int
	if err := unix.Pipe2(there[:], unix.O_CLOEXEC); err != nil {
		return 0, err
	}
	defer unix.Close(there[0])
	defer unix.Close(there[1])
	if err := unix.Pipe2(back[:], unix.O_CLOEXEC); err != nil {
		return 0, err
	}
	defer unix.Close(back[0])
	defer unix.Close(back[1])
	echo, took := make(chan error, 1), make(chan error, 1)
	var ns float64
	go pinned(b, echo, func() (err error) {
		var c [1]byte
		for i := 0; i < n && err == nil; i++ {
			if err = pass(unix.SYS_READ, there[0], &c); err == nil {
				err = pass(unix.SYS_WRITE, back[1], &c)
			}
		}
		return err
	})
	go pinned(a, took, func() (err error) {
		var c [1]byte
		start := time.Now()
		for i := 0; i < n && err == nil; i++ {
			if err = pass(unix.SYS_WRITE, there[1], &c); err == nil {
				err = pass(unix.SYS_READ, back[0], &c)
			}
		}
		ns = float64(time.Since(start).Nanoseconds()) / n
		return err
	})
	if err := errors.Join(<-echo, <-took); err != nil {
		return 0, err
	}
	return ns, nil
}

// pinned runs f on a thread of its own, which ends with it.
func pinned(cpu int, done chan<- error, f func() error) {
	runtime.LockOSThread() // never unlocked: the thread keeps its CPU until the goroutine ends, and ends with it
	var set unix.CPUSet
	set.Set(cpu)
	err := unix.SchedSetaffinity(0, &set)
	if err == nil {
		err = f()
	}
	done <- err
}
