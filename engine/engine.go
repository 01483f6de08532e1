package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Config says how much an Engine may use. The zero value is a good one.
type Config struct {
	Loops  int           // loops, and CPUs they are pinned to; 0: the CPUs of the process's affinity, as many as its cgroup's quota allows
	Pool   int           // threads for calls that may wait; 0: 16
	Memory int64         // bytes of transport buffers that are made beforehand; 0: 256 MiB
	Drain  time.Duration // how long Close waits for transports and requests in flight; 0: 10 s

	Logger *slog.Logger // nil: slog.Default()
}

const (
	defaultPool   = 16
	defaultMemory = 256 << 20
	defaultDrain  = 10 * time.Second
)

// ErrBusy is what Close returns when a transport is still attached or a request in flight.
var ErrBusy = errors.New("engine: still in use")

// Engine is the loops and the pool. Any number of connections share it; they add no thread.
type Engine struct {
	cfg     Config // immutable after New
	log     *slog.Logger
	loops   []*Loop // immutable after New
	pool    pool
	spawner spawner
	off     tally // requests that were answered off the loops
	started atomic.Bool

	mu      sync.Mutex
	closed  bool           // guarded by mu
	threads sync.WaitGroup // loops and pool threads

	readMu  sync.Mutex
	readers []*Loop // guarded by readMu; of NewReader
}

// New makes an engine; Start sets it running.
func New(cfg Config) (*Engine, error) {
	cpus, err := affinity()
	if err != nil {
		return nil, fmt.Errorf("engine: the CPUs of this process: %w", err)
	}
	if cfg.Loops < 0 || cfg.Pool < 0 || cfg.Memory < 0 {
		return nil, fmt.Errorf("engine: %d loops, %d pool threads, %d bytes: none may be negative", cfg.Loops, cfg.Pool, cfg.Memory)
	}
	if cfg.Loops == 0 {
		cfg.Loops = max(1, min(len(cpus), cpuQuota()))
	}
	if cfg.Pool == 0 {
		cfg.Pool = defaultPool
	}
	if cfg.Memory == 0 {
		cfg.Memory = defaultMemory
	}
	if cfg.Drain == 0 {
		cfg.Drain = defaultDrain
	}
	e := &Engine{cfg: cfg, log: cfg.Logger}
	if e.log == nil {
		e.log = slog.Default()
	}
	e.pool.e, e.pool.rest, e.spawner.e = e, defaultRest, e
	for i := range cfg.Loops {
		e.loops = append(e.loops, newLoop(e, i, cpus[i%len(cpus)]))
	}
	return e, nil
}

// Start starts the loops and raises GOMAXPROCS so that neither they nor the pool wait for a processor. An error of the
// ring package says which feature of io_uring is missing.
func (e *Engine) Start() error {
	if e.started.Swap(true) {
		return errors.New("engine: started twice")
	}
	if n := len(e.loops) + e.cfg.Pool + 1; runtime.GOMAXPROCS(0) < n {
		runtime.GOMAXPROCS(n)
	}
	ready := make(chan error, len(e.loops))
	for _, l := range e.loops {
		e.threads.Add(1)
		go l.run(ready)
	}
	var errs error
	for range e.loops {
		errs = errors.Join(errs, <-ready)
	}
	if errs != nil {
		return errors.Join(errs, e.Close())
	}
	return nil
}

// Close ends the loops and the pool. Transports must have been stopped: while one is attached, or a request is in
// flight, it waits; past Config.Drain it fails with ErrBusy and may be called again.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || !e.started.Load() {
		return nil
	}
	for _, l := range e.loops {
		l.Do(func(l *Loop) { l.quit = true })
	}
	e.pool.close()
	e.spawner.close()
	done := make(chan struct{})
	go func() { e.threads.Wait(); close(done) }()
	t := time.NewTimer(e.cfg.Drain)
	defer t.Stop()
	select {
	case <-done:
		e.closed = true
		return nil
	case <-t.C:
		return fmt.Errorf("%w after %v", ErrBusy, e.cfg.Drain)
	}
}

// Loops are all loops; the slice is not to be changed.
func (e *Engine) Loops() []*Loop { return e.loops }

// LoopOf is the loop that is pinned to a CPU; nil: none is.
func (e *Engine) LoopOf(cpu int) *Loop {
	for _, l := range e.loops {
		if l.cpu == cpu {
			return l
		}
	}
	return nil
}

// Memory is the budget for transport buffers that are made beforehand, in bytes.
func (e *Engine) Memory() int64 { return e.cfg.Memory }
