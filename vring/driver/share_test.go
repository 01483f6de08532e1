//go:build linux

package driver

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
)

// shareTest is a client of a real device, over each layout.
func shareTest(t *testing.T, f func(t *testing.T, d *Driver, c *Client)) {
	_, socket := deviceTest(t)
	everyLayout(t, func(t *testing.T, features uint64) {
		c := Config{Size: 64, Regions: 3, Memory: 48 << 20}
		c.Packed, c.EventIdx, c.Indirect = features&FeatureRingPacked != 0, features&FeatureEventIdx != 0, features&FeatureIndirect != 0
		d, err := Dial(socket, c)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		f(t, d, initTest(t, d))
	})
}

func initTest(t *testing.T, d *Driver) *Client {
	t.Helper()
	c, err := NewClient(d, 1, 24, 1<<18)
	if err != nil {
		t.Fatal(err)
	}
	flags := abi.InitInitExt | abi.InitMaxPages | abi.InitBigWrites | abi.InitDoReaddirplus | abi.InitAsyncRead
	out, err := c.Init(abi.InitIn{Flags: uint32(flags), MaxReadahead: 1 << 17})
	if err != nil || out.Major != abi.KernelVersion || out.MaxWrite < 1<<18 {
		t.Fatalf("INIT: %+v, %v", out, err)
	}
	return c
}

// fileTest makes an open file of n bytes.
func fileTest(t *testing.T, c *Client, name string, n int) (node, fh uint64, data []byte) {
	t.Helper()
	e, o, err := c.Create(abi.RootID, name, unix.O_RDWR, unix.S_IFREG|0o644)
	if err != nil {
		t.Fatal(err)
	}
	data = make([]byte, n)
	for i := range data {
		data[i] = byte(i>>8) ^ byte(i)
	}
	for off := 0; off < n; off += 1 << 18 {
		part := data[off:min(n, off+1<<18)]
		if got, err := c.Write(e.NodeID, o.Fh, uint64(off), part); got != len(part) || err != nil {
			t.Fatalf("wrote %d of %d, %v", got, len(part), err)
		}
	}
	return e.NodeID, o.Fh, data
}

// TestShare: every call of the client, on a device that means it.
func TestShare(t *testing.T) {
	shareTest(t, func(t *testing.T, d *Driver, c *Client) {
		node, fh, data := fileTest(t, c, "file", 1<<19)
		got := make([]byte, 1<<18)
		if n, err := c.Read(abi.OpRead, node, fh, 1<<18, got); n != len(got) || err != nil || !bytes.Equal(got, data[1<<18:]) {
			t.Errorf("read %d bytes, %v, or others", n, err)
		}
		if a, err := c.Getattr(node); a.Attr.Size != 1<<19 || err != nil {
			t.Errorf("%d bytes, %v", a.Attr.Size, err)
		}
		if e, err := c.Lookup(abi.RootID, "file"); e.NodeID != node || err != nil {
			t.Errorf("node %d, %v", e.NodeID, err)
		}
		if _, err := c.Lookup(abi.RootID, "none"); !errors.Is(err, unix.ENOENT) {
			t.Errorf("no such name: %v", err)
		}
		dir, err := c.Mkdir(abi.RootID, "directory", 0o755)
		if err != nil {
			t.Fatal(err)
		}
		o, err := c.Open(abi.OpOpendir, abi.RootID, unix.O_RDONLY)
		if err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(abi.OpReaddirplus, abi.RootID, o.Fh, 0, got)
		if err != nil || !bytes.Contains(got[:n], []byte("directory")) || !bytes.Contains(got[:n], []byte("file")) {
			t.Errorf("READDIRPLUS: %q, %v", got[:n], err)
		}
		for i, err := range []error{
			c.Release(abi.OpReleasedir, abi.RootID, o.Fh), c.Release(abi.OpRelease, node, fh), c.Remove(abi.OpUnlink, abi.RootID, "file"),
			c.Remove(abi.OpRmdir, abi.RootID, "directory"), c.Forget(node, 3), c.Forget(dir.NodeID, 2),
		} {
			if err != nil {
				t.Error(i, err)
			}
		}
	})
}

// TestLoads: the loads of benchmarks do what they say, at any depth, and cost no objects.
func TestLoads(t *testing.T) {
	shareTest(t, func(t *testing.T, d *Driver, c *Client) {
		node, fh, data := fileTest(t, c, "file", 1<<18)
		create := &CreateUnlink{Client: c, Parent: abi.RootID}
		read := &Repeat{Prepare: func(r *Request, i int) {
			r.Read(abi.OpRead, node, fh, uint64(i%64)<<12, 4096)
			r.Node = uint64(i%64) << 12
		}, Check: func(r *Request) error {
			if !bytes.Equal(r.Body(), data[r.Node:][:4096]) {
				return errors.New("other data")
			}
			return nil
		}}
		run := func(count int) {
			for _, depth := range []int{1, 8, 24} {
				create.Count, create.made = count, 0
				read.Count, read.sent = count, 0
				for _, l := range []Load{create, read} {
					if err := c.Run(depth, l); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		run(50)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run(500)
		runtime.ReadMemStats(&after)
		if n := after.Mallocs - before.Mallocs; n > 50 { // the runtime's own, in 6000 requests and more
			t.Errorf("%d objects", n)
		}
	})
}

// TestReset: a guest that boots again finds a device that knows nothing of its earlier life.
func TestReset(t *testing.T) {
	shareTest(t, func(t *testing.T, d *Driver, c *Client) {
		node, fh, _ := fileTest(t, c, "file", 4096)
		for range 3 {
			if err := d.Reset(); err != nil {
				t.Fatal(err)
			}
			c = initTest(t, d)
			if _, err := c.Read(abi.OpRead, node, fh, 0, make([]byte, 10)); err == nil {
				t.Error("a handle of an earlier life is served")
			}
			if _, err := c.Getattr(abi.RootID); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestPause: queues stop and go on where they were, and interrupts come by another eventfd, between requests and often.
func TestPause(t *testing.T) {
	shareTest(t, func(t *testing.T, d *Driver, c *Client) {
		for i := range 100 {
			base, err := d.Stop(1)
			if err != nil {
				t.Fatal(err)
			}
			var sent int
			l := &Repeat{Count: 5, Prepare: func(r *Request, _ int) { r.Getattr(abi.RootID) }}
			for _, r := range c.idle[:5] { // into a queue that stands still
				if l.Next(r); c.submit(r) == nil {
					sent++
				}
			}
			if err := c.q.Kick(); err != nil {
				t.Fatal(err)
			}
			if err := d.Start(1, base); err != nil {
				t.Fatal(err)
			}
			if err := d.ChangeCall(1); err != nil {
				t.Fatal(err)
			}
			for c.flying > 0 {
				if err := c.q.Wait(c.Limit); err != nil {
					t.Fatalf("round %d, %d of %d left: %v", i, c.flying, sent, err)
				}
				if err := c.reap(l); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// TestHotplugIO: data goes to memory that was added, and the device forgets it when it is removed.
func TestHotplugIO(t *testing.T) {
	shareTest(t, func(t *testing.T, d *Driver, c *Client) {
		node, fh, data := fileTest(t, c, "file", 1<<16)
		for range 10 {
			h, err := d.AddMemory(1 << 16)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Do(func(r *Request) {
				r.Read(abi.OpRead, node, fh, 0, 1<<16)
				r.dataSeg, r.body = h.Segment(0, 1<<16), h.Bytes
			}, nil); err != nil {
				t.Fatal(err)
			}
			c.idle[0].dataSeg = d.mem.Segment(c.idle[0].data)
			if !bytes.Equal(h.Bytes, data) {
				t.Error("other data came")
			}
			if err := d.RemoveMemory(h); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Getattr(node); err != nil {
			t.Error(err)
		}
	})
}

// TestDirtyPages: what the device wrote is in the log, and no more than that.
func TestDirtyPages(t *testing.T) {
	shareTest(t, func(t *testing.T, d *Driver, c *Client) {
		node, fh, _ := fileTest(t, c, "file", 1<<16)
		l, err := d.StartLog()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(abi.OpRead, node, fh, 0, make([]byte, 10000)); err != nil {
			t.Fatal(err)
		}
		r, got := c.idle[0], l.Take()
		_, _, used := c.q.Areas()
		if d.c.Packed {
			used, _, _ = c.q.Areas()
		}
		want := []uint64{r.pageSeg.Addr, r.dataSeg.Addr, r.dataSeg.Addr + 4096, r.dataSeg.Addr + 8192}
		first := d.mem.Segment(used).Addr &^ 4095
		for _, p := range want {
			if !slices.Contains(got, p) {
				t.Errorf("page %#x was written and is not in the log", p)
			}
		}
		for _, p := range got {
			if !slices.Contains(want, p) && (p < first || p >= d.mem.Segment(used).Addr+uint64(len(used))+4096) {
				t.Errorf("page %#x is in the log", p)
			}
		}
		if !slices.ContainsFunc(got, func(p uint64) bool { return p >= first && p < first+8192 }) {
			t.Error("the used ring is not in the log")
		}
		if err := d.StopLog(l); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Getattr(node); err != nil {
			t.Error(err)
		}
	})
}

// TestManyQueues: clients on queues of their own, at once.
func TestManyQueues(t *testing.T) {
	_, socket := deviceTest(t)
	d, err := Dial(socket, Config{Queues: 8, Size: 32, EventIdx: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	initTest(t, d)
	done := make(chan error)
	for i := range 8 {
		go func() {
			c, err := NewClient(d, i+1, 4, 4096)
			if err == nil {
				var dir abi.EntryOut
				if dir, err = c.Mkdir(abi.RootID, string(rune('a'+i)), 0o755); err == nil {
					err = c.Run(4, &CreateUnlink{Client: c, Parent: dir.NodeID, Count: 200})
				}
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestStopUnderKicks: kicks that come just when a queue stops do not keep it from stopping.
func TestStopUnderKicks(t *testing.T) {
	_, socket := deviceTest(t)
	d, err := Dial(socket, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	over, done := make(chan struct{}), make(chan error)
	go func() {
		var err error
		for err == nil {
			select {
			case <-over:
				done <- nil
				return
			default:
				err = notify(d.Queue(1).kick)
			}
		}
		done <- err
	}()
	for i := range 200 {
		base, err := d.Stop(1)
		if err == nil {
			err = d.Start(1, base)
		}
		if err != nil {
			t.Errorf("round %d: %v", i, err)
			break
		}
	}
	close(over)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
