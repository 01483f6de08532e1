//go:build linux

package engine

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
	"github.com/fastfsd/fastfsd/vfs/vfstest"
)

// limit is how long anything may take that must happen: long, for the machine may be busy with something else.
const limit = 30 * time.Second

// newEngine starts an engine for this test. It is closed at the end, and must not have logged anything that the test has
// not taken out of its log.
func newEngine(t testing.TB, cfg Config, before ...func(*Engine)) (*Engine, *logbook) {
	t.Helper()
	logs := &logbook{}
	cfg.Logger = slog.New(logs)
	if cfg.Drain == 0 {
		cfg.Drain = limit
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range before {
		f(e)
	}
	procs := runtime.GOMAXPROCS(0)
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		runtime.GOMAXPROCS(procs) // which Start has raised
		if left := logs.take(); len(left) > 0 {
			t.Errorf("logged: %q", left)
		}
	})
	return e, logs
}

// logbook keeps the messages of a logger.
type logbook struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (b *logbook) Enabled(context.Context, slog.Level) bool { return true }
func (b *logbook) WithAttrs([]slog.Attr) slog.Handler       { return b }
func (b *logbook) WithGroup(string) slog.Handler            { return b }

func (b *logbook) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += fmt.Sprintf(" %s=%v", a.Key, a.Value); return true })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line)
	return nil
}

// take gives the messages that were logged so far and forgets them.
func (b *logbook) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := b.lines
	b.lines = nil
	return lines
}

// want takes n messages that begin so.
func (b *logbook) want(t testing.TB, n int, prefix string) {
	t.Helper()
	lines := b.take()
	if len(lines) != n || slices.ContainsFunc(lines, func(s string) bool { return !strings.HasPrefix(s, prefix) }) {
		t.Errorf("logged %q, want %d of %q", lines, n, prefix)
	}
}

// newConn is a connection that serves fs, with INIT behind it. Files need no OPEN: handle 0 of any node is one.
func newConn(t testing.TB, fs any) *vfs.Conn {
	t.Helper()
	c, err := vfs.NewConn(vfs.Resolve(fs), vfs.Options{NoOpen: true, LocalLocks: true, Poison: true, MaxPages: deskPages})
	if err != nil {
		t.Fatal(err)
	}
	vfstest.NewPeer(t, c)
	return c
}

// eventually waits until it is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not after %v: %s\n%s", limit, what, stacks())
		}
	}
}

// within waits for c, and fails with the stacks of all goroutines when it does not come.
func within[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(limit):
		t.Fatalf("not after %v: %s\n%s", limit, what, stacks())
	}
	return v
}

func stacks() []byte {
	b := make([]byte, 1<<20)
	return b[:runtime.Stack(b, true)]
}

// on has the loop call f, and waits.
func on(t testing.TB, l *Loop, f func(l *Loop) error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- l.Call(f) }()
	if err := within(t, "a call of a loop", done); err != nil {
		t.Fatal(err)
	}
}

// ended says whether a thread of this process has ended. The first thread never does: the runtime parks it for good.
func ended(tid int) bool {
	return tid == unix.Getpid() || unix.Tgkill(unix.Getpid(), tid, 0) == unix.ESRCH
}
