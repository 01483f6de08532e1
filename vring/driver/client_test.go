//go:build linux

package driver

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
)

// clientTest makes a client of a device that answers everything with a.
func clientTest(t testing.TB, c Config, depth int, a answer) *Client {
	t.Helper()
	b := goodBackend()
	d := dialTest(t, b, c)
	serveQueue(t, b, d, 1, a)
	cl, err := NewClient(d, 1, depth, 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// TestWrongReplies: what Linux refuses is refused here, and says why.
func TestWrongReplies(t *testing.T) {
	attr := make([]byte, attrSize)
	reply := func(change func(h *abi.OutHeader), body []byte, n int) answer {
		return func(in abi.InHeader, _ []byte) ([]byte, int) {
			h := abi.OutHeader{Len: uint32(abi.OutHeaderSize + len(body)), Unique: in.Unique}
			change(&h)
			return append(abi.Bytes(&h), body...), n
		}
	}
	as := func(*abi.OutHeader) {}
	for text, a := range map[string]answer{
		"0 bytes are used":               reply(as, attr, 0),
		"15 bytes are used":              reply(as, attr, 15),
		"121 bytes are used":             reply(as, attr, 121),
		"the header says 16":             reply(func(h *abi.OutHeader) { h.Len = 16 }, attr, -1),
		"the header says 0":              reply(func(h *abi.OutHeader) { h.Len = 0 }, nil, -1),
		"of request 3 to request 2":      reply(func(h *abi.OutHeader) { h.Unique++ }, attr, -1),
		"error 2":                        reply(func(h *abi.OutHeader) { h.Error = 2 }, nil, -1),
		"error -512":                     reply(func(h *abi.OutHeader) { h.Error = -512 }, nil, -1),
		"an error with a body of 104":    reply(func(h *abi.OutHeader) { h.Error = -2 }, attr, -1),
		"its body has 0 bytes, not 104":  reply(as, nil, -1),
		"its body has 96 bytes, not 104": reply(as, attr[:96], -1),
	} {
		t.Run(text, func(t *testing.T) {
			_, err := clientTest(t, testConfig(), 1, a).Getattr(1)
			if !errors.Is(err, ErrReply) || !strings.Contains(err.Error(), text) {
				t.Errorf("%v", err)
			}
		})
	}
	c := clientTest(t, testConfig(), 1, reply(func(h *abi.OutHeader) { h.Error = -int32(unix.ENOENT) }, nil, -1))
	if _, err := c.Getattr(1); !errors.Is(err, unix.ENOENT) {
		t.Errorf("ENOENT came as %v", err)
	}
	if _, err := clientTest(t, testConfig(), 1, reply(as, attr, -1)).Getattr(1); err != nil {
		t.Errorf("a good reply: %v", err)
	}
}

// TestWire: requests are what the kernel sends, byte by byte, over every layout.
func TestWire(t *testing.T) {
	everyLayout(t, func(t *testing.T, features uint64) {
		var heard []string
		c := testConfig()
		c.Packed, c.EventIdx, c.Indirect = features&FeatureRingPacked != 0, features&FeatureEventIdx != 0, features&FeatureIndirect != 0
		data := strings.Repeat("data", 5000)
		cl := clientTest(t, c, 4, func(h abi.InHeader, body []byte) ([]byte, int) {
			heard = append(heard, h.Opcode.String()+" "+string(body))
			switch h.Opcode {
			case abi.OpLookup:
				return good(h, make([]byte, entrySize)), -1
			case abi.OpWrite:
				return good(h, abi.Bytes(&abi.WriteOut{Size: uint32(len(body) - 40)})), -1
			case abi.OpRead:
				return good(h, []byte(data)), -1
			}
			return good(h, nil), -1
		})
		if _, err := cl.Lookup(1, "name"); err != nil {
			t.Error(err)
		}
		if n, err := cl.Write(2, 3, 4, []byte(data)); n != len(data) || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
		got := make([]byte, 30000)
		if n, err := cl.Read(abi.OpRead, 2, 3, 4, got); string(got[:n]) != data || err != nil {
			t.Errorf("read %d bytes, %v", n, err)
		}
		if err := cl.Remove(abi.OpUnlink, 1, "name"); err != nil {
			t.Error(err)
		}
		write := abi.WriteIn{Fh: 3, Offset: 4, Size: uint32(len(data))}
		read := abi.ReadIn{Fh: 3, Offset: 4, Size: 30000}
		want := []string{"LOOKUP name\x00", "WRITE " + string(abi.Bytes(&write)) + data, "READ " + string(abi.Bytes(&read)), "UNLINK name\x00"}
		for i, w := range want {
			if heard[i] != w {
				t.Errorf("message %d is %.60q, want %.60q", i, heard[i], w)
			}
		}
	})
}

// TestRunKeepsDepth: so many requests are in flight as was asked, each gets its own reply, and none costs an object.
func TestRunKeepsDepth(t *testing.T) {
	const depth, count = 5, 3000
	attr := abi.AttrOut{}
	reply := make([]byte, abi.OutHeaderSize+attrSize)
	c := testConfig()
	c.Indirect = true
	cl := clientTest(t, c, depth, func(h abi.InHeader, _ []byte) ([]byte, int) {
		attr.Attr.Ino = h.NodeID
		copy(reply, abi.Bytes(&abi.OutHeader{Len: uint32(len(reply)), Unique: h.Unique}))
		copy(reply[abi.OutHeaderSize:], abi.Bytes(&attr))
		return reply, -1
	})
	most, wrong := 0, 0
	l := &Repeat{Prepare: func(r *Request, i int) {
		r.Getattr(uint64(i))
		r.Node = uint64(i)
		most = max(most, cl.flying+1)
	}, Check: func(r *Request) error {
		var a abi.AttrOut
		if abi.Decode(&a, r.Body()); a.Attr.Ino != r.Node {
			wrong++
		}
		return nil
	}}
	run := func() {
		l.Count, l.sent = count, 0
		if err := cl.Run(depth, l); err != nil {
			t.Fatal(err)
		}
	}
	run()
	if most != depth || wrong != 0 || l.sent != count || cl.flying != 0 {
		t.Errorf("%d requests in flight, want %d; %d wrong replies; %d sent; %d left", most, depth, wrong, l.sent, cl.flying)
	}
	if err := cl.Run(depth+1, l); err == nil {
		t.Error("more depth than the client has is taken")
	}
}

// TestFullQueue: more requests than descriptors wait for their turn.
func TestFullQueue(t *testing.T) {
	const count = 1000
	seen := 0
	cl := clientTest(t, testConfig(), 12, func(h abi.InHeader, _ []byte) ([]byte, int) {
		seen++
		return good(h, make([]byte, attrSize)), -1
	})
	if err := cl.Run(12, &Repeat{Count: count, Prepare: func(r *Request, i int) { r.Getattr(1) }}); err != nil || seen != count {
		t.Errorf("%d of %d requests: %v", seen, count, err)
	}
}

// TestGone: a device that dies leaves no client waiting.
func TestGone(t *testing.T) {
	b := goodBackend()
	d := dialTest(t, b, testConfig())
	cl, err := NewClient(d, 1, 1, 4096)
	if err != nil {
		t.Fatal(err)
	}
	serveQueue(t, b, d, 1, func(h abi.InHeader, _ []byte) ([]byte, int) {
		unix.Shutdown(b.fd, unix.SHUT_RDWR)
		<-b.ended
		return nil, 0
	})
	if _, err := cl.Getattr(1); !errors.Is(err, ErrGone) {
		t.Errorf("%v", err)
	}
	if _, err := cl.Getattr(1); !errors.Is(err, ErrGone) {
		t.Errorf("after its death: %v", err)
	}
}

// TestForget: one message for each node, on the hiprio queue, also when it is full for a while.
func TestForget(t *testing.T) {
	const count = 200
	everyLayout(t, func(t *testing.T, features uint64) {
		c := testConfig()
		c.Packed, c.EventIdx, c.Indirect = features&FeatureRingPacked != 0, features&FeatureEventIdx != 0, features&FeatureIndirect != 0
		b := goodBackend()
		d := dialTest(t, b, c)
		heard := make(chan [2]uint64, count)
		serveQueue(t, b, d, 0, func(h abi.InHeader, body []byte) ([]byte, int) {
			var f abi.ForgetIn
			if h.Opcode != abi.OpForget || !abi.Decode(&f, body) {
				t.Errorf("%v with %d bytes", h.Opcode, len(body))
			}
			heard <- [2]uint64{h.NodeID, f.Nlookup}
			return nil, 0
		})
		cl, err := NewClient(d, 1, 1, 4096)
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(count) {
			if err := cl.Forget(i, i+1); err != nil {
				t.Fatal(err)
			}
		}
		for i := range uint64(count) {
			if f := <-heard; f != [2]uint64{i, i + 1} {
				t.Fatalf("FORGET %d is %v", i, f)
			}
		}
	})
}
