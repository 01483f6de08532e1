//go:build linux

package driver

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// testConfig is small, so that tests can have many.
func testConfig() Config { return Config{Size: 16, Memory: 8 << 20} }

// dialTest starts a driver on a backend.
func dialTest(t testing.TB, b *backend, c Config) *Driver {
	t.Helper()
	d, err := New(b.start(t), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func wantLog(t *testing.T, b *backend, want string) {
	t.Helper()
	want = strings.ReplaceAll(strings.TrimSpace(want), "\t", "")
	if got := b.log(); got != want {
		t.Errorf("the device heard\n%s\nwant\n%s", got, want)
	}
}

// settle returns when the device has heard all, which without acknowledgements nothing else says.
func settle(t *testing.T, d *Driver) {
	t.Helper()
	if _, err := d.Frontend().AskU64(GetFeatures); err != nil {
		t.Fatal(err)
	}
}

// TestHandshake: the order is QEMU's.
func TestHandshake(t *testing.T) {
	b := goodBackend()
	c := testConfig()
	c.EventIdx, c.Indirect, c.Regions = true, true, 2
	d := dialTest(t, b, c)
	wantLog(t, b, `
		GET_FEATURES
		GET_PROTOCOL_FEATURES
		SET_PROTOCOL_FEATURES 0xa00b
		GET_QUEUE_NUM
		GET_MAX_MEM_SLOTS
		SET_OWNER
		GET_FEATURES
		SET_VRING_ERR 0 fds 1 ack
		SET_VRING_ERR 1 fds 1 ack
		SET_FEATURES 0x170000000 ack
		ADD_MEM_REG gpa 0x100000000 size 0x400000 fds 1 ack
		ADD_MEM_REG gpa 0x100400000 size 0x400000 fds 1 ack
		SET_VRING_NUM 0 0x10 ack
		SET_VRING_BASE 0 0x0 ack
		SET_VRING_ADDR 0 ack
		SET_VRING_CALL 0 fds 1 ack
		SET_VRING_KICK 0 fds 1 ack
		SET_VRING_NUM 1 0x10 ack
		SET_VRING_BASE 1 0x0 ack
		SET_VRING_ADDR 1 ack
		SET_VRING_CALL 1 fds 1 ack
		SET_VRING_KICK 1 fds 1 ack
		SET_VRING_ENABLE 0 0x1 ack
		SET_VRING_ENABLE 1 0x1 ack`)
	if virtio, protocol := d.Features(); virtio != 0x170000000 || protocol != ProtocolAll || d.Queues() != 1 {
		t.Errorf("agreed on %#x, %#x, %d queues", virtio, protocol, d.Queues())
	}
}

// TestPlainHandshake: a device without protocol features, and one without acknowledgements and slots.
func TestPlainHandshake(t *testing.T) {
	b := goodBackend()
	b.features &^= FeatureProtocol
	c := testConfig()
	c.Packed, c.Regions = true, 2
	settle(t, dialTest(t, b, c))
	wantLog(t, b, `
		GET_FEATURES
		SET_OWNER
		GET_FEATURES
		SET_VRING_ERR 0 fds 1
		SET_VRING_ERR 1 fds 1
		SET_FEATURES 0x500000000
		SET_MEM_TABLE 2 regions fds 2
		SET_VRING_NUM 0 0x10
		SET_VRING_BASE 0 0x80008000
		SET_VRING_ADDR 0
		SET_VRING_CALL 0 fds 1
		SET_VRING_KICK 0 fds 1
		SET_VRING_NUM 1 0x10
		SET_VRING_BASE 1 0x80008000
		SET_VRING_ADDR 1
		SET_VRING_CALL 1 fds 1
		SET_VRING_KICK 1 fds 1
		GET_FEATURES`)
	b = goodBackend()
	c.Without = ProtocolReplyAck | ProtocolMemSlots
	settle(t, dialTest(t, b, c))
	if s := b.log(); strings.Contains(s, "ack") || !strings.Contains(s, "SET_MEM_TABLE 2 regions fds 2") {
		t.Errorf("the device heard\n%s", s)
	}
}

func TestStopStart(t *testing.T) {
	b := goodBackend()
	d := dialTest(t, b, testConfig())
	b.log()
	base, err := d.Stop(1)
	if err != nil || base != 7 {
		t.Fatalf("stopped at %d, %v", base, err)
	}
	if err := d.Start(1, base); err != nil {
		t.Fatal(err)
	}
	if err := d.ChangeCall(1); err != nil {
		t.Fatal(err)
	}
	wantLog(t, b, `
		SET_VRING_ENABLE 1 0x0 ack
		GET_VRING_BASE 1 0x0
		SET_VRING_NUM 1 0x10 ack
		SET_VRING_BASE 1 0x7 ack
		SET_VRING_ADDR 1 ack
		SET_VRING_CALL 1 fds 1 ack
		SET_VRING_KICK 1 fds 1 ack
		SET_VRING_ENABLE 1 0x1 ack
		SET_VRING_CALL 1 fds 1 ack`)
	if err := d.Reset(); err != nil {
		t.Fatal(err)
	}
	if s := b.log(); !strings.HasPrefix(s, "SET_VRING_ENABLE 0 0x0 ack\nGET_VRING_BASE 0 0x0\nSET_VRING_ENABLE 1 0x0 ack\nGET_VRING_BASE 1 0x0\nRESET_DEVICE ack\nSET_FEATURES") {
		t.Errorf("the device heard\n%s", s)
	}
}

func TestHotplug(t *testing.T) {
	b := goodBackend()
	c := testConfig()
	d := dialTest(t, b, c)
	b.log()
	h, err := d.AddMemory(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	h.Bytes[0], h.Bytes[1<<20-1] = 1, 1
	if s := h.Segment(4096, 16); s != (Segment{0x180000000 + 4096, 16}) {
		t.Errorf("its segment is %+v", s)
	}
	for i, err := range []error{d.RemoveMemory(h), d.RemoveMemory(h)} {
		if (err != nil) != (i == 1) {
			t.Errorf("removed, time %d: %v", i, err)
		}
	}
	wantLog(t, b, `
		ADD_MEM_REG gpa 0x180000000 size 0x100000 fds 1 ack
		REM_MEM_REG gpa 0x180000000 size 0x100000 ack`)
	c.Without = ProtocolMemSlots
	b = goodBackend()
	d = dialTest(t, b, c)
	b.log()
	if h, err = d.AddMemory(1 << 20); err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveMemory(h); err != nil {
		t.Fatal(err)
	}
	wantLog(t, b, `
		SET_MEM_TABLE 2 regions fds 2 ack
		SET_MEM_TABLE 1 regions fds 1 ack`)
}

func TestDirtyLog(t *testing.T) {
	b := goodBackend()
	d := dialTest(t, b, testConfig())
	b.log()
	l, err := d.StartLog()
	if err != nil {
		t.Fatal(err)
	}
	words(l.bits)[guestBase/pageSize/32] |= 1<<31 | 1
	if p := l.Take(); len(p) != 2 || p[0] != guestBase || p[1] != guestBase+31*pageSize || l.Take() != nil {
		t.Errorf("dirty pages %#x", p)
	}
	if err := d.StopLog(l); err != nil {
		t.Fatal(err)
	}
	wantLog(t, b, `
		SET_LOG_BASE fds 1
		SET_FEATURES 0x144000000 ack
		SET_VRING_ADDR 0 ack
		SET_VRING_ADDR 1 ack
		SET_FEATURES 0x140000000 ack
		SET_VRING_ADDR 0 ack
		SET_VRING_ADDR 1 ack`)
}

// TestDialFails: every failure says what it is, and leaves nothing open.
func TestDialFails(t *testing.T) {
	cut := func(n int) func(Req, []byte) []byte { return func(_ Req, m []byte) []byte { return m[:n] } }
	put := func(at int, v uint32) func(Req, []byte) []byte {
		return func(req Req, m []byte) []byte {
			if req == GetQueueNum {
				binary.NativeEndian.PutUint32(m[at:], v)
			}
			return m
		}
	}
	for name, f := range map[string]struct {
		b    func(b *backend)
		want error
		text string
	}{
		"no such feature":      {b: func(b *backend) { b.features &^= FeatureEventIdx }, want: ErrLacks, text: "0x20000000"},
		"too few queues":       {b: func(b *backend) { b.queues = 1 }, want: ErrLacks, text: "it has 1 queues"},
		"too few slots":        {b: func(b *backend) { b.slots = 1 }, want: ErrLacks, text: "it has 1 slots"},
		"memory refused":       {b: func(b *backend) { b.refuse = AddMemReg }, want: ErrRefused, text: "ADD_MEM_REG"},
		"enable refused":       {b: func(b *backend) { b.refuse = SetVringEnable }, want: ErrRefused, text: "SET_VRING_ENABLE"},
		"no answer":            {b: func(b *backend) { b.mute = GetQueueNum }, want: unix.ETIMEDOUT, text: "GET_QUEUE_NUM"},
		"hangs up":             {b: func(b *backend) { b.hangup = SetVringAddr }, want: io.ErrUnexpectedEOF, text: "SET_VRING_ADDR"},
		"half a header":        {b: func(b *backend) { b.spoil = cut(6) }, want: unix.ETIMEDOUT, text: "GET_FEATURES"},
		"half a body":          {b: func(b *backend) { b.spoil = cut(14) }, want: unix.ETIMEDOUT, text: "GET_FEATURES"},
		"answers another":      {b: func(b *backend) { b.spoil = put(0, 99) }, text: "answered by request 99"},
		"version 2":            {b: func(b *backend) { b.spoil = put(4, 6) }, text: "flags 0x6"},
		"not a reply":          {b: func(b *backend) { b.spoil = put(4, 1) }, text: "flags 0x1"},
		"a short answer":       {b: func(b *backend) { b.spoil = put(8, 4) }, text: "4 bytes, want 8"},
		"a very long answer":   {b: func(b *backend) { b.spoil = put(8, 1<<31) }, text: "the limit is"},
		"an answer of nothing": {b: func(b *backend) { b.spoil = put(8, 0) }, text: "0 bytes, want 8"},
	} {
		t.Run(name, func(t *testing.T) {
			before := openFDs(t)
			b := goodBackend()
			f.b(b)
			c := testConfig()
			c.EventIdx, c.Regions, c.Timeout = true, 2, 200*time.Millisecond
			_, err := New(b.start(t), c)
			if err == nil || f.want != nil && !errors.Is(err, f.want) || !strings.Contains(err.Error(), f.text) {
				t.Errorf("%v; want %v, %q", err, f.want, f.text)
			}
			b.stop()
			if after := openFDs(t); after != before {
				t.Errorf("%d descriptors before, %d after", before, after)
			}
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, c := range []Config{{Size: 3}, {Size: 1}, {Size: 1 << 16}, {Memory: 100, Size: 128}} {
		b := goodBackend()
		if _, err := New(b.start(t), c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	if _, err := Dial(t.TempDir()+"/none", Config{}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("no socket: %v", err)
	}
}

// TestSleep ends by an interrupt, by the device's error, by its death, and by the limit.
func TestSleep(t *testing.T) {
	b := goodBackend()
	d := dialTest(t, b, testConfig())
	q := d.Queue(1)
	if err := q.Sleep(time.Millisecond); !errors.Is(err, unix.ETIMEDOUT) {
		t.Errorf("nothing: %v", err)
	}
	if err := notify(b.eventfd(b.call, 1)); err != nil {
		t.Fatal(err)
	}
	if err := q.Sleep(time.Minute); err != nil {
		t.Errorf("an interrupt: %v", err)
	}
	if err := notify(b.eventfd(b.err, 1)); err != nil {
		t.Fatal(err)
	}
	if err := q.Sleep(time.Minute); !errors.Is(err, ErrDevice) {
		t.Errorf("the device's error: %v", err)
	}
	if err := d.Queue(0).Sleep(time.Millisecond); !errors.Is(err, unix.ETIMEDOUT) {
		t.Errorf("the other queue: %v", err)
	}
	b.stop()
	if err := d.Queue(0).Sleep(time.Minute); !errors.Is(err, ErrGone) {
		t.Errorf("its death: %v", err)
	}
}
