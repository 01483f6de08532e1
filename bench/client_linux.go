package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// RoleEnv tells a program that was started again what it is to be; see [Role].
const RoleEnv = "FASTFSD_BENCH_ROLE"

const (
	roleClient = "client"
	roleSlow   = "slow"
)

// Role takes over a process that a bench has started as its client or as its slow server, and does not return then. Programs and test
// binaries that call [Run] call it first.
func Role() {
	var err error
	switch os.Getenv(RoleEnv) {
	case roleClient:
		err = clientMain(os.Stdin, os.Stdout)
	case roleSlow:
		err = slowMain(os.Args[1:])
	default:
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// clientMain does a job for each line that it reads, until there are no more.
func clientMain(in io.Reader, out io.Writer) error {
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(16) // a thread in a raw system call keeps its P
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var j Job
		if err := dec.Decode(&j); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := enc.Encode(j.do()); err != nil {
			return err
		}
		runtime.GC() // between the runs
	}
}

// do does the job in this process.
func (j Job) do() Result {
	if j.Kind == Machine {
		c, err := measureCosts()
		if err != nil {
			return Result{Err: err.Error()}
		}
		return Result{Costs: &c}
	}
	ts := make([]*thread, j.Threads)
	var ready, done sync.WaitGroup
	var stop atomic.Bool
	gate := make(chan struct{})
	for i := range ts {
		t := &thread{job: &j, index: i, stop: &stop, fd: -1}
		ts[i] = t
		ready.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			t.err = t.prepare()
			ready.Done()
			<-gate
			if t.err == nil {
				t.timed()
			}
			t.release()
		}()
	}
	ready.Wait()
	timer := time.AfterFunc(j.Time, func() { stop.Store(true) })
	close(gate)
	done.Wait()
	timer.Stop()
	var r Result
	for _, t := range ts {
		if t.err != nil {
			return Result{Err: fmt.Sprintf("%s %s: %v", j.Kind, j.Path, t.err)}
		}
		r.Ops += t.ops
		if t.took > 0 {
			r.Rate += float64(t.ops) / t.took.Seconds()
		}
	}
	return r
}

// thread is one thread's part of a job. Only that thread touches it until it is done.
type thread struct {
	job   *Job
	index int
	stop  *atomic.Bool

	fd    int      // of the file, or of the tree's folder
	buf   []byte   // page aligned
	names [][]byte // of the tree, each with its NUL
	pause time.Duration

	ops  int64
	took time.Duration
	err  error
}

// prepare does what is not to be measured.
func (t *thread) prepare() (err error) {
	j := t.job
	flags := unix.O_RDONLY
	switch j.Kind {
	case Storm:
	case Read, Write:
		if j.Request <= 0 || j.Size < j.Request || j.Size%j.Request != 0 {
			return fmt.Errorf("requests of %d bytes do not fill a file of %d", j.Request, j.Size)
		}
		if j.Kind == Write {
			flags = unix.O_WRONLY
		}
		if j.Direct {
			flags |= unix.O_DIRECT
		}
		t.buf, err = unix.Mmap(-1, 0, j.Request, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_POPULATE)
	case Stat, Create, Unlink, Open, Walk:
		flags |= unix.O_DIRECTORY
		for i := range j.Files {
			t.names = append(t.names, append([]byte(treeName(i)), 0))
		}
		t.buf = make([]byte, 32*kib) // as glibc's readdir has it
	default:
		return fmt.Errorf("unknown job %q", j.Kind)
	}
	if err != nil {
		return err
	}
	t.fd, err = unix.Open(j.Path, flags|unix.O_CLOEXEC, 0)
	if err == nil && j.Kind == Read && !j.Direct {
		err = unix.Fadvise(t.fd, 0, 0, unix.FADV_DONTNEED)
	}
	return err
}

func (t *thread) release() {
	if t.fd >= 0 {
		unix.Close(t.fd)
	}
	if t.job.Kind == Read || t.job.Kind == Write {
		unix.Munmap(t.buf)
	}
}

// timed does the work.
func (t *thread) timed() {
	start := time.Now()
	switch t.job.Kind {
	case Storm:
		t.err = t.storm()
	case Read, Write:
		t.err = t.transfer()
	case Walk:
		t.err = t.walk()
	default:
		t.err = t.tree()
	}
	t.took = time.Since(start) - t.pause
}
