//go:build linux

package vring_test

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/passthrough"
	"github.com/fastfsd/fastfsd/vring"
	"github.com/fastfsd/fastfsd/vring/driver"
)

// limit bounds what must happen at all.
const limit = 30 * time.Second

// host is a device on a socket that serves a directory.
type host struct {
	dir, socket string
	device      *vring.Device
}

func newHost(t testing.TB) *host {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	e, err := engine.New(engine.Config{Logger: log})
	if err == nil {
		err = e.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	h := &host{dir: t.TempDir(), socket: filepath.Join(t.TempDir(), "s")}
	h.device, err = vring.New(e, func() (any, error) { return passthrough.New(h.dir, passthrough.Defaults()) }, vring.Options{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	l, err := vring.Listen(h.socket, -1)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.AcceptUnix()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			go h.device.Serve(c) // what a front-end did wrong is not this test's failure
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		h.device.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// dial is a driver of the host's device with a client that has negotiated.
func (h *host) dial(t testing.TB, c driver.Config, depth, payload int) (*driver.Driver, *driver.Client) {
	t.Helper()
	d, err := driver.Dial(h.socket, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, newClient(t, d, 1, depth, payload)
}

func newClient(t testing.TB, d *driver.Driver, queue, depth, payload int) *driver.Client {
	t.Helper()
	cl, err := driver.NewClient(d, queue, depth, payload)
	if err != nil {
		t.Fatal(err)
	}
	cl.Limit = limit
	if queue == 1 {
		if _, err := cl.Init(abi.InitIn{Flags: uint32(abi.InitBigWrites | abi.InitMaxPages | abi.InitPosixLocks)}); err != nil {
			t.Fatal(err)
		}
	}
	return cl
}

// TestFileData: what is written through a virtqueue is in the file, and comes back, at every size, and the server has copied none
// of it together.
func TestFileData(t *testing.T) {
	for name, c := range map[string]driver.Config{
		"split": {Size: 1024}, "indirect": {Indirect: true, EventIdx: true, Regions: 7}, "packed": {Packed: true, Indirect: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			copies := vring.Copies()
			_, cl := h.dial(t, c, 1, 1<<20)
			_, o, err := cl.Create(abi.RootID, "f", unix.O_RDWR, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			e, err := cl.Lookup(abi.RootID, "f")
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{1, 511, 4096, 4097, 128 << 10, 1<<20 - 1, 1 << 20} {
				want := make([]byte, n)
				for i := range want {
					want[i] = byte(rand.Uint32())
				}
				if got, err := cl.Write(e.NodeID, o.Fh, 10, want); err != nil || got != n {
					t.Fatalf("write %d: %d, %v", n, got, err)
				}
				file, err := os.ReadFile(filepath.Join(h.dir, "f"))
				if err != nil || !bytes.Equal(file[10:10+n], want) {
					t.Fatalf("the file lacks what was written, %d bytes: %v", n, err)
				}
				got := make([]byte, n)
				if k, err := cl.Read(abi.OpRead, e.NodeID, o.Fh, 10, got); err != nil || k != n || !bytes.Equal(got, want) {
					t.Fatalf("read %d: %d, %v", n, k, err)
				}
			}
			if n := vring.Copies() - copies; n != 0 {
				t.Errorf("%d copies of file data", n)
			}
		})
	}
}

// TestReturn: a driver that goes away in the middle and one that comes then.
func TestReturn(t *testing.T) {
	h := newHost(t)
	if err := os.WriteFile(filepath.Join(h.dir, "f"), []byte("data"), 0o644); err != nil {
		t.Fatal(err)
	}
	var old uint64
	for range 5 {
		d, cl := h.dial(t, driver.Config{Queues: 2, EventIdx: true}, 4, 4096)
		if old != 0 {
			if _, err := cl.Getattr(old); !errors.Is(err, unix.ESTALE) {
				t.Fatalf("a node of an earlier guest: %v, want ESTALE", err)
			}
		}
		e, err := cl.Lookup(abi.RootID, "f")
		if err != nil {
			t.Fatal(err)
		}
		old = e.NodeID
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReset: after a reset the driver starts anew, and what it held has gone.
func TestReset(t *testing.T) {
	h := newHost(t)
	if err := os.WriteFile(filepath.Join(h.dir, "f"), []byte("data"), 0o644); err != nil {
		t.Fatal(err)
	}
	d, cl := h.dial(t, driver.Config{EventIdx: true, Indirect: true}, 4, 4096)
	e, err := cl.Lookup(abi.RootID, "f")
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if err := d.Reset(); err != nil {
			t.Fatal(err)
		}
		cl = newClient(t, d, 1, 4, 4096)
		if _, err := cl.Getattr(e.NodeID); !errors.Is(err, unix.ESTALE) {
			t.Fatalf("a node from before the reset: %v, want ESTALE", err)
		}
		if e, err = cl.Lookup(abi.RootID, "f"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTruncatedMemory: a guest whose memory's file shrinks has its queue stopped; nobody else is hurt.
func TestTruncatedMemory(t *testing.T) {
	h := newHost(t)
	d, cl := h.dial(t, driver.Config{}, 1, 4096)
	_, other := h.dial(t, driver.Config{}, 1, 4096)
	busy, busyClient := h.dial(t, driver.Config{EventIdx: true}, 1, 4096)
	if _, err := cl.Getattr(abi.RootID); err != nil {
		t.Fatal(err)
	}
	base, err := d.Stop(1)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // in the middle of requests, both ends fault
		defer close(ended)
		defer func() { recover() }()
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		busyClient.Limit = time.Second
		for err := error(nil); err == nil; {
			_, err = busyClient.Getattr(abi.RootID)
		}
	}()
	time.Sleep(5 * time.Millisecond)
	for _, r := range append(d.Memory().Regions(), busy.Memory().Regions()...) {
		if err := unix.Ftruncate(r.FD, 0); err != nil {
			t.Fatal(err)
		}
	}
	<-ended
	if err := d.Start(1, base); err != nil { // the device looks at the ring then
		t.Log("the device refuses to start:", err)
	}
	for range 100 {
		if _, err := other.Getattr(abi.RootID); err != nil {
			t.Fatal(err)
		}
	}
}
