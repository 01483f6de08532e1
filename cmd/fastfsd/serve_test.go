//go:build linux

package main

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/fusedev"
)

// fakeServer records calls and ends as it is told.
type fakeServer struct {
	mu    sync.Mutex
	calls []string
	busy  bool // Unmount fails, and Detach does not end the mount
	end   chan error
}

func (f *fakeServer) call(name string, ends bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, name)
	if ends {
		select {
		case f.end <- nil:
		default:
		}
	}
}

func (f *fakeServer) said() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.calls, " ")
}

func (f *fakeServer) Wait() error { return <-f.end }

func (f *fakeServer) Unmount() error {
	f.call("unmount", !f.busy)
	if f.busy {
		return errors.New("busy")
	}
	return nil
}

func (f *fakeServer) Detach() error { f.call("detach", false); return nil }
func (f *fakeServer) Abort() error  { f.call("abort", true); return nil }
func (f *fakeServer) Dir() string   { return "/mnt" }

func (f *fakeServer) Counters() []fusedev.Counter {
	return []fusedev.Counter{{Opcode: abi.OpLookup, Count: 9}, {Opcode: abi.OpGetattr, Count: 3, Errors: 1}}
}

func TestSignals(t *testing.T) {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	s := &fakeServer{end: make(chan error, 1)}
	signals := make(chan os.Signal, 8)
	signals <- unix.SIGUSR1
	signals <- unix.SIGTERM
	var out strings.Builder
	if err := serve(s, signals, quiet, &out); err != nil || s.said() != "unmount" {
		t.Errorf("%v, calls %q", err, s.said())
	}
	if out.String() != "# /mnt\nLOOKUP 9 0\nGETATTR 3 1\n" {
		t.Errorf("counters %q", out.String())
	}
}

func TestBusyIsDetachedThenAborted(t *testing.T) {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	s := &fakeServer{end: make(chan error, 1), busy: true}
	signals := make(chan os.Signal, 8)
	signals <- unix.SIGINT
	done := make(chan error, 1)
	go func() { done <- serve(s, signals, quiet, io.Discard) }()
	for i := 0; s.said() != "unmount detach"; i++ {
		if i > 3000 {
			t.Fatalf("calls %q after 30 s", s.said())
		}
		time.Sleep(10 * time.Millisecond)
	}
	signals <- unix.SIGINT
	if err := <-done; err != nil || s.said() != "unmount detach detach abort" {
		t.Errorf("%v, calls %q", err, s.said())
	}
}

func TestPIDFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	remove, err := writePID(path)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(b), "\n") {
		t.Errorf("%q, %v", b, err)
	}
	remove()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("not removed:", err)
	}
	if _, err := writePID("/nowhere/pid"); err == nil {
		t.Error("no error for a directory that is not there")
	}
}
