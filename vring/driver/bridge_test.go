//go:build linux

package driver

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestBridge: a mount over every layout does what a file system does, and goes without a trace.
func TestBridge(t *testing.T) {
	_, socket := deviceTest(t)
	everyLayout(t, func(t *testing.T, features uint64) {
		c := Config{Queues: 2, Size: 64, Regions: 3}
		c.Packed, c.EventIdx, c.Indirect = features&FeatureRingPacked != 0, features&FeatureEventIdx != 0, features&FeatureIndirect != 0
		p, dir := bridgeTest(t, role{Socket: socket, Config: c})
		workOn(t, dir)
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
		if err := p.end(0); err != nil {
			t.Error(err)
		}
	})
}

// workOn makes, reads, lists, renames and removes files below dir.
func workOn(t *testing.T, dir string) {
	t.Helper()
	data := bytes.Repeat([]byte("0123456789abcde\n"), 3<<20/16) // more than a request
	sub := filepath.Join(dir, "directory")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, n := range []int{0, 1, 4096, 4097, 100000, len(data)} {
		name := filepath.Join(sub, strings.Repeat("x", 1+40*i))
		if err := os.WriteFile(name, data[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		if err := unix.Setxattr(name, "user.attribute", data[:1000], 0); err != nil {
			t.Error(err)
		}
		f, err := os.OpenFile(name, os.O_RDONLY|unix.O_DIRECT, 0)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, n+1)
		m, _ := f.Read(got)
		for k := m; k > 0 && m < n; m += k {
			k, _ = f.Read(got[m:])
		}
		f.Close()
		if !bytes.Equal(got[:m], data[:n]) {
			t.Errorf("%d bytes written, %d read, or others", n, m)
		}
		if err := unix.Symlink(strings.Repeat("target/", 500), name+"-link"); err != nil {
			t.Error(err)
		}
		if target, err := os.Readlink(name + "-link"); len(target) != 3500 || err != nil {
			t.Errorf("a target of %d bytes, %v", len(target), err)
		}
	}
	names, err := os.ReadDir(sub)
	if err != nil || len(names) != 12 {
		t.Errorf("%d names, %v", len(names), err)
	}
	if err := os.Rename(sub, filepath.Join(dir, "other")); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "other")); err != nil {
		t.Error(err)
	}
}

// TestBridgeSmall: requests wait for slots and descriptors.
func TestBridgeSmall(t *testing.T) {
	_, socket := deviceTest(t)
	for name, r := range map[string]role{
		"queue":  {Config: Config{Size: 8}},
		"depth":  {Config: Config{Size: 64}, Bridge: BridgeConfig{Depth: 1}},
		"memory": {Config: Config{Size: 64, Indirect: true, Memory: 6 << 20}},
		"piece":  {Config: Config{Size: 64}, Bridge: BridgeConfig{Piece: 1 << 20}},
	} {
		t.Run(name, func(t *testing.T) {
			r.Socket = socket
			_, dir := bridgeTest(t, r)
			done := make(chan struct{})
			for _, sub := range []string{"a", "b", "c", "d"} {
				go func() {
					defer func() { done <- struct{}{} }()
					d := filepath.Join(dir, sub)
					if err := os.Mkdir(d, 0o755); err != nil {
						t.Error(err)
						return
					}
					workOn(t, d)
				}()
			}
			for range 4 {
				<-done
			}
		})
	}
}

// TestBridgeBusy: Close while a file is open ends the mount all the same.
func TestBridgeBusy(t *testing.T) {
	_, socket := deviceTest(t)
	p, dir := bridgeTest(t, role{Socket: socket})
	f, err := os.Create(filepath.Join(dir, "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := f.Sync(); err == nil {
		t.Error("the file is still served")
	}
	if strings.Contains(mounts(t), dir) {
		t.Error("still mounted")
	}
}

// TestBridgeDeviceDies: callers get an error, the bridge says why, and the mount goes.
func TestBridgeDeviceDies(t *testing.T) {
	device, socket := deviceTest(t)
	p, dir := bridgeTest(t, role{Socket: socket})
	if err := os.Mkdir(filepath.Join(dir, "directory"), 0o755); err != nil {
		t.Fatal(err)
	}
	device.fails(syscall.SIGKILL, "killed")
	p.fails(0, ErrGone.Error())
	if strings.Contains(mounts(t), dir) {
		t.Error("still mounted")
	}
}

// TestBridgeLiar: a wrong reply is an I/O error for the caller, and the bridge tells of it at the end.
func TestBridgeLiar(t *testing.T) {
	p, dir := bridgeTest(t, role{Lie: true, Config: Config{Size: 64}})
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "name")); !errors.Is(err, unix.EIO) {
		t.Errorf("a wrong reply: %v", err)
	}
	p.fails(syscall.SIGTERM, "LOOKUP of node 1: driver: a wrong reply: 80 bytes are used, the header says 144")
}

// TestBridgeInterrupts: a process that waits for a lock can be killed, if the bridge passes INTERRUPT on.
func TestBridgeInterrupts(t *testing.T) {
	_, socket := deviceTest(t)
	_, dir := bridgeTest(t, role{Socket: socket, Config: Config{EventIdx: true, Queues: 2}, Bridge: BridgeConfig{Interrupts: true}})
	name := filepath.Join(dir, "locked")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		p := play(t, role{Lock: name})
		time.Sleep(20 * time.Millisecond) // most likely it waits by now; the test holds either way
		start := time.Now()
		p.fails(syscall.SIGKILL, "killed")
		if time.Since(start) >= processLimit {
			t.Fatal("a killed process still waits for its lock")
		}
	}
}

func mounts(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
