//go:build linux

package vring

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func (t *fakeTarget) want(calls ...string) {
	t.Helper()
	if got := t.said(); !slices.Equal(got, calls) {
		t.Errorf("the device was told %q, want %q", got, calls)
	}
}

// TestStartUp is the start of a front-end that agrees on everything, and its end.
func TestStartUp(t *testing.T) {
	noLeak(t)
	target := newFakeTarget(t, 3)
	f := newFrontend(t, target)
	if got := f.askU64(msgGetFeatures, 0, nil); got != allFeatures {
		t.Errorf("features %#x", got)
	}
	if got := f.askU64(msgGetProtocolFeatures, 0, nil); got != allProtocol {
		t.Errorf("protocol features %#x, want %#x", got, uint64(allProtocol))
	}
	// nothing is acknowledged before REPLY_ACK is agreed upon, whatever the flag says
	f.send(msgSetOwner, flagNeedReply, nil)
	f.send(msgSetProtocolFeatures, 0, appendU64(allProtocol))
	if got := f.askU64(msgGetQueueNum, 0, nil); got != 3 {
		t.Errorf("%d queues", got)
	}
	if got := f.askU64(msgGetMaxMemSlots, 0, nil); got != 509 {
		t.Errorf("%d memory slots", got)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.set(msgSetBackendReqFD, nil, pair[0])
	_ = unix.Close(pair[0])
	f.set(msgSetFeatures, appendU64(splitBits))
	f.set(msgAddMemReg, regOf(testRegion), f.file(int64(testRegion.Size)))
	kick, call, errfd := f.event(), f.event(), f.event()
	f.setUp(1)
	f.set(msgSetVringCall, appendU64(1), call)
	f.set(msgSetVringErr, appendU64(1), errfd)
	f.set(msgSetVringKick, appendU64(1), kick)
	target.want("setMemory1 false")
	f.set(msgSetVringEnable, ringState{1, 1}.bytes())
	target.want("start1 0")
	r := target.ring(1)
	want := virtqConfig{size: 256, desc: testAddr(1).Desc, avail: testAddr(1).Avail, used: testAddr(1).Used, eventIdx: true, indirect: true}
	if r.conf != want || r.features != splitBits {
		t.Errorf("the queue was started with %+v and features %#x", r.conf, r.features)
	}
	for _, p := range [][2]int{{r.kick, kick}, {r.call, call}, {r.err, errfd}} {
		if !sameFile(t, p[0], p[1]) {
			t.Errorf("descriptor %d is not what was sent", p[0])
		}
	}
	for _, fd := range []int{r.kick, r.call, r.err} {
		if n, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || n&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor %d would be inherited: %#x, %v", fd, n, err)
		}
	}
	if n, err := unix.FcntlInt(uintptr(kick), unix.F_GETFL, 0); err != nil || n&unix.O_NONBLOCK == 0 {
		t.Errorf("the kick lost O_NONBLOCK: %#x, %v", n, err)
	}
	// the back-end's channel is held, so that QEMU sees no end of it
	if err := unix.Sendmsg(pair[1], []byte{0}, nil, nil, unix.MSG_NOSIGNAL); err != nil {
		t.Errorf("the channel of the back-end: %v", err)
	}
	f.hangUp()
	target.want("reset")
	if err := unix.Sendmsg(pair[1], []byte{0}, nil, nil, unix.MSG_NOSIGNAL); err != unix.EPIPE {
		t.Errorf("the channel of the back-end after the end: %v", err)
	}
	_ = unix.Close(pair[1])
}

// TestRings goes through the states of a ring.
func TestRings(t *testing.T) {
	noLeak(t)
	target := newFakeTarget(t, 2)
	f := newFrontend(t, target)
	f.prepare(0, 1)
	target.want("setMemory1 false")
	enable := func(n uint32) { t.Helper(); f.set(msgSetVringEnable, ringState{1, n}.bytes()) }
	base := func() uint32 {
		t.Helper()
		r := parseRingState(f.ask(msgGetVringBase, 0, ringState{1, 0}.bytes()))
		if r.Index != 1 {
			t.Errorf("base of ring %d", r.Index)
		}
		return r.Num
	}

	enable(1)
	target.want()
	f.set(msgSetVringKick, appendU64(1), f.event())
	target.want("start1 0")
	enable(1)
	target.want()
	// a new interrupt and error while it runs
	call := f.event()
	f.set(msgSetVringCall, appendU64(1), call)
	f.set(msgSetVringErr, appendU64(1|0x100))
	target.want("setCall1", "setErr1")
	if r := target.ring(1); !sameFile(t, r.call, call) || r.err != -1 {
		t.Errorf("the device has %+v", r)
	}
	// nothing of its shape changes meanwhile
	f.refuse(msgSetVringNum, ringState{1, 128}.bytes())
	f.refuse(msgSetVringBase, ringState{1, 9}.bytes())
	f.refuse(msgSetFeatures, appendU64(splitBits&^featureEventIdx))
	f.set(msgSetFeatures, appendU64(splitBits))
	f.set(msgSetVringAddr, testAddr(1).bytes())
	target.want()
	// addresses that are elsewhere, a new kick: it goes on where it was
	moved := testAddr(1)
	moved.Desc += 0x100
	f.set(msgSetVringAddr, moved.bytes())
	f.set(msgSetVringKick, appendU64(1), f.event())
	target.want("stop1", "start1 7", "stop1", "start1 14")
	if r := target.ring(1); r.conf.desc != moved.Desc || !sameFile(t, r.call, call) {
		t.Errorf("the device has %+v", r)
	}
	enable(0)
	target.want("stop1")
	enable(1)
	target.want("start1 21")
	enable(0)
	// QEMU stops this way; asking again changes nothing
	for range 2 {
		if n := base(); n != 28 {
			t.Errorf("base %d, want 28", n)
		}
	}
	enable(1)
	target.want("stop1")
	f.set(msgSetVringBase, ringState{1, 9}.bytes())
	f.set(msgSetVringKick, appendU64(1|0x100)) // no descriptor: polled
	target.want("start1 9")
	if r := target.ring(1); r.kick != -1 || !sameFile(t, r.call, call) {
		t.Errorf("the device has %+v", r)
	}
	if n := base(); n != 16 {
		t.Errorf("base %d, want 16", n)
	}
	f.hangUp()
	target.want("stop1", "reset")
}

// TestNoProtocol: a front-end that knows no protocol features never enables a ring.
func TestNoProtocol(t *testing.T) {
	noLeak(t)
	target := newFakeTarget(t, 2)
	f := newFrontend(t, target)
	f.send(msgSetMemTable, 0, tableOf(testRegion), f.file(int64(testRegion.Size)))
	f.send(msgSetVringNum, 0, ringState{1, 256}.bytes())
	f.send(msgSetVringAddr, 0, testAddr(1).bytes())
	f.send(msgSetVringKick, 0, appendU64(1), f.event())
	f.send(msgSetFeatures, 0, appendU64(splitBits&^featureProtocol))
	f.askU64(msgGetFeatures, 0, nil)
	target.want("setMemory1 false", "start1 0")
	f.hangUp()
}

// TestPacked: a packed ring that never ran starts with both wrap counters set.
func TestPacked(t *testing.T) {
	noLeak(t)
	target := newFakeTarget(t, 2)
	f := newFrontend(t, target)
	f.greet()
	f.set(msgSetFeatures, appendU64(splitBits|featureRingPacked))
	f.set(msgSetMemTable, tableOf(testRegion), f.file(int64(testRegion.Size)))
	f.set(msgSetVringNum, ringState{0, 100}.bytes())
	f.set(msgSetVringAddr, testAddr(0).bytes())
	f.set(msgSetVringEnable, ringState{0, 1}.bytes())
	f.set(msgSetVringKick, appendU64(0), f.event())
	target.want("setMemory1 false", "start0 2147516416")
	if r := target.ring(0); !r.conf.packed {
		t.Errorf("the device has %+v", r.conf)
	}
	f.set(msgSetVringEnable, ringState{0, 0}.bytes())
	if r := parseRingState(f.ask(msgGetVringBase, 0, ringState{0, 0}.bytes())); r.Num != 1<<15|1<<31+7 {
		t.Errorf("base %#x", r.Num)
	}
	if r := parseRingState(f.ask(msgGetVringBase, 0, ringState{1, 0}.bytes())); r.Num != 1<<15|1<<31 {
		t.Errorf("base %#x of a ring that never ran", r.Num)
	}
	f.hangUp()
}

// TestMemory changes the table while a ring runs.
func TestMemory(t *testing.T) {
	noLeak(t)
	target := newFakeTarget(t, 1)
	f := newFrontend(t, target)
	f.prepare(0)
	second := Region{GPA: 0x8000_0000, Size: 0x3000, UVA: testUVA + 1<<30, Offset: 0x1000}
	fd := f.file(0x4000)
	if _, err := unix.Pwrite(fd, []byte("guest"), 0x1000); err != nil {
		t.Fatal(err)
	}
	target.said()
	f.set(msgAddMemReg, regOf(second), fd)
	target.want("setMemory2 false")
	target.mu.Lock()
	if got := target.mem.bytes(second.GPA, 5); string(got) != "guest" {
		t.Errorf("the new region reads %q", got)
	}
	target.mu.Unlock()
	f.refuse(msgAddMemReg, regOf(second), fd) // there already
	other := second
	other.Size--
	f.refuse(msgRemMemReg, regOf(other))
	target.want()
	f.set(msgRemMemReg, regOf(second), fd) // with a descriptor, as some send it
	f.refuse(msgRemMemReg, regOf(second))
	f.set(msgAddMemReg, regOf(second), fd)
	f.set(msgRemMemReg, regOf(second))
	target.want("setMemory1 true", "setMemory2 false", "setMemory1 true")
	f.set(msgSetMemTable, tableOf(testRegion, second), f.file(int64(testRegion.Size)), fd)
	target.want("setMemory2 true")
	f.hangUp()
	target.release()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(maps, []byte("vring-session")) {
		t.Error("guest memory is still mapped")
	}
}

// TestAddFirst: front-ends with memory slots send no table at all.
func TestAddFirst(t *testing.T) {
	noLeak(t)
	target := newFakeTarget(t, 1)
	f := newFrontend(t, target)
	f.greet()
	f.refuse(msgRemMemReg, regOf(testRegion))
	f.set(msgAddMemReg, regOf(testRegion), f.file(int64(testRegion.Size)))
	f.set(msgRemMemReg, regOf(testRegion))
	f.set(msgAddMemReg, regOf(testRegion), f.file(int64(testRegion.Size)))
	target.want("setMemory1 false", "setMemory0 true", "setMemory1 false")
	f.hangUp()
}

// TestLog is a migration: logging begins, the log is exchanged, logging ends, all under a ring that runs.
func TestLog(t *testing.T) {
	noLeak(t)
	target := newFakeTarget(t, 2)
	f := newFrontend(t, target)
	f.prepare(1)
	f.set(msgSetVringEnable, ringState{1, 1}.bytes())
	f.set(msgSetVringKick, appendU64(1), f.event())
	target.said()
	logs := []int{f.file(0x5000), f.file(0x5000)}
	base := func(fd int) {
		t.Helper()
		// QEMU waits for a reply although it does not ask for one
		if got := f.askU64(msgSetLogBase, 0, append(appendU64(0x4000), appendU64(0x1000)...), fd); got != 0 {
			t.Errorf("SET_LOG_BASE: %d", got)
		}
	}
	mark := func() {
		target.mu.Lock()
		defer target.mu.Unlock()
		target.rings[1].conf.dirty.mark(0x1001_3000, 1)
	}
	marked := func(fd int) bool {
		var b [1]byte
		if _, err := unix.Pread(fd, b[:], 0x1000+0x1001_3000>>12/8); err != nil {
			t.Fatal(err)
		}
		return b[0] == 1<<(0x10013%8)
	}
	base(logs[0])
	target.want()
	f.set(msgSetFeatures, appendU64(splitBits|featureLogAll))
	logged := testAddr(1)
	logged.Flags, logged.Log = addrFlagLog, 0x1001_8000
	f.set(msgSetVringAddr, logged.bytes())
	target.want("setLog1 true 0", "setLog1 true 268533760")
	mark()
	if !marked(logs[0]) || marked(logs[1]) {
		t.Error("the mark is not in the first log")
	}
	base(logs[1])
	mark()
	if !marked(logs[1]) {
		t.Error("the mark is not in the second log")
	}
	// a ring that starts now logs too
	f.setUp(0)
	f.set(msgSetVringEnable, ringState{0, 1}.bytes())
	f.set(msgSetVringKick, appendU64(0), f.event())
	if c := target.ring(0).conf; c.dirty == nil || c.logUsed != 0 {
		t.Errorf("a ring was started with %+v", c)
	}
	target.said()
	f.set(msgSetFeatures, appendU64(splitBits))
	target.want("setLog0 false 0", "setLog1 false 0")
	f.set(msgSetVringAddr, testAddr(1).bytes())
	f.refuse(msgSetLogBase, append(appendU64(0x4000), appendU64(0x2000)...), logs[0]) // past the file's end
	f.refuse(msgSetLogBase, append(appendU64(0x2000), appendU64(0)...))
	f.send(msgSetLogFD, 0, nil, f.event()) // not used, and not worth a connection
	f.refuse(msgSetLogFD, nil, f.event())
	f.hangUp()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(maps), "vring-session"); n != 1 {
		t.Errorf("%d mappings after the session, want only that of guest memory", n)
	}
}

// TestResetDevice: the guest reboots. What QEMU does not send again must survive.
func TestResetDevice(t *testing.T) {
	noLeak(t)
	target := newFakeTarget(t, 1)
	f := newFrontend(t, target)
	f.prepare(0)
	call, errfd := f.event(), f.event()
	f.set(msgSetVringCall, appendU64(0), call)
	f.set(msgSetVringErr, appendU64(0), errfd)
	f.set(msgSetVringEnable, ringState{0, 1}.bytes())
	f.set(msgSetVringKick, appendU64(0), f.event())
	target.said()
	f.set(msgResetDevice, nil)
	f.set(msgResetDevice, nil)
	target.want("reset", "reset")
	f.set(msgSetVringKick, appendU64(0), f.event())
	f.set(msgSetVringBase, ringState{0, 3}.bytes())
	target.want()
	f.set(msgSetFeatures, appendU64(splitBits))
	f.refuse(msgSetVringEnable, ringState{0, 1}.bytes()) // size and addresses are gone
	f.setUp(0)
	f.set(msgSetVringKick, appendU64(0), f.event())
	target.want("start0 3", "start0 0")
	if r := target.ring(0); !sameFile(t, r.call, call) || !sameFile(t, r.err, errfd) {
		t.Errorf("the device has %+v", r)
	}
	f.hangUp()
}

// TestConfig reads the configuration as VMMs do that do not make it up themselves.
func TestConfig(t *testing.T) {
	noLeak(t)
	target := newFakeTarget(t, 2)
	target.tag = "share"
	f := newFrontend(t, target)
	if got := f.askU64(msgGetProtocolFeatures, 0, nil); got != allProtocol|protoConfig {
		t.Fatalf("protocol features %#x", got)
	}
	f.send(msgSetProtocolFeatures, 0, appendU64(allProtocol|protoConfig))
	ask := func(off, size, flags uint32, room int) []byte {
		t.Helper()
		p := native.AppendUint32(native.AppendUint32(native.AppendUint32(nil, off), size), flags)
		return f.ask(msgGetConfig, flagNeedReply, append(p, make([]byte, room)...))
	}
	if got := ask(0, 40, 0, 40); len(got) != 52 || string(got[12:17]) != "share" {
		t.Errorf("configuration %q", got)
	}
	if got := ask(2, 3, 0, 3); string(got[12:]) != "are" || parseConfigHead(got) != (configHead{2, 3, 0}) {
		t.Errorf("configuration from 2 on %q", got)
	}
	for _, bad := range [][3]uint32{{0, 41, 41}, {40, 1, 1}, {0xffffffff, 2, 2}, {0, 300, 300}, {0, 40, 39}, {0, 0xffffffff, 0}} {
		if got := ask(bad[0], bad[1], 0, int(bad[2])); len(got) != 0 {
			t.Errorf("configuration %v: %q", bad, got)
		}
	}
	f.refuse(msgSetConfig, make([]byte, configHeadSize+1))
	f.send(msgSetConfig, 0, make([]byte, configHeadSize+1)) // refused, which is all that a read-only field needs
	f.askU64(msgGetFeatures, 0, nil)
	f.send(msgGetConfig, 0, make([]byte, configHeadSize-1))
	f.dropped()
}

// TestRefused sends what is wrong. A front-end that asked is told and goes on as if nothing was; one that did not ask counts
// on what it sent, so the connection ends.
func TestRefused(t *testing.T) {
	many := make([]Region, maxTable)
	for i := range many {
		many[i] = Region{GPA: uint64(i) << 20, Size: 4096, UVA: uint64(i)<<20 + 1<<40}
	}
	for _, c := range []struct {
		name    string
		id      messageID
		payload []byte
		fds     int
	}{
		{"unknown", 45, nil, 0},
		{"zero", 0, nil, 0},
		{"huge number", 0xffffffff, make([]byte, 100), 3},
		{"inflight", 31, make([]byte, 24), 0},
		{"inflight fd", 32, make([]byte, 24), 1},
		{"state fd", 42, make([]byte, 8), 1},
		{"config without a tag", msgSetConfig, make([]byte, 16), 0},
		{"owner with a payload", msgSetOwner, make([]byte, 8), 0},
		{"owner with a descriptor", msgSetOwner, nil, 1},
		{"short features", msgSetFeatures, make([]byte, 7), 0},
		{"long features", msgSetFeatures, make([]byte, 9), 0},
		{"features not offered", msgSetFeatures, appendU64(splitBits | 1<<35), 0},
		{"protocol features not offered", msgSetProtocolFeatures, appendU64(allProtocol | 1<<12), 0},
		{"no channel", msgSetBackendReqFD, nil, 0},
		{"two channels", msgSetBackendReqFD, nil, 2},
		{"table without descriptors", msgSetMemTable, tableOf(testRegion), 0},
		{"table with too many", msgSetMemTable, tableOf(testRegion), 2},
		{"empty table", msgSetMemTable, tableOf(), 0},
		{"overlap", msgSetMemTable, tableOf(testRegion, testRegion), 2},
		{"size 0", msgSetMemTable, tableOf(Region{GPA: 1 << 40, UVA: 1 << 40}), 1},
		{"file too short", msgSetMemTable, tableOf(Region{Size: 2 << 20, UVA: 1 << 40}), 1},
		{"memory past the end", msgAddMemReg, regOf(Region{GPA: 1 << 63, Size: 1 << 63, UVA: 1 << 40}), 1},
		{"last byte", msgAddMemReg, regOf(Region{GPA: 0xffff_ffff_ffff_f000, Size: 0x1001, UVA: 1 << 40}), 1},
		{"region without a descriptor", msgAddMemReg, regOf(testRegion), 0},
		{"region with two", msgAddMemReg, regOf(testRegion), 2},
		{"short region", msgAddMemReg, make([]byte, 32), 1},
		{"no such region", msgRemMemReg, regOf(Region{GPA: 1, Size: 2, UVA: 3}), 0},
		{"log without a descriptor", msgSetLogBase, make([]byte, 16), 0},
		{"log of nothing", msgSetLogBase, make([]byte, 16), 1},
		{"huge log", msgSetLogBase, append(appendU64(1<<63), appendU64(1<<63)...), 1},
		{"size of ring 2 of 2", msgSetVringNum, ringState{2, 1}.bytes(), 0},
		{"size of ring -1", msgSetVringNum, ringState{0xffffffff, 1}.bytes(), 0},
		{"size 0 of a ring", msgSetVringNum, ringState{0, 0}.bytes(), 0},
		{"size 32769 of a ring", msgSetVringNum, ringState{0, 32769}.bytes(), 0},
		{"base of ring 2", msgSetVringBase, ringState{2, 0}.bytes(), 0},
		{"address of ring 2", msgSetVringAddr, ringAddr{Index: 2}.bytes(), 0},
		{"flags of addresses", msgSetVringAddr, ringAddr{Flags: 2}.bytes(), 0},
		{"kick of ring 2", msgSetVringKick, appendU64(2), 1},
		{"kick without its descriptor", msgSetVringKick, appendU64(0), 0},
		{"kick with a descriptor too many", msgSetVringKick, appendU64(0x100), 1},
		{"kick with two", msgSetVringKick, appendU64(0), 2},
		{"kick with reserved bits", msgSetVringKick, appendU64(1 << 9), 1},
		{"call of ring 255", msgSetVringCall, appendU64(255), 1},
		{"call without its descriptor", msgSetVringCall, appendU64(0), 0},
		{"err with a descriptor too many", msgSetVringErr, appendU64(0x100), 1},
		{"enable ring 2", msgSetVringEnable, ringState{2, 1}.bytes(), 0},
		{"enable 2", msgSetVringEnable, ringState{0, 2}.bytes(), 0},
		{"start outside memory", msgSetVringKick, appendU64(1), 1},
		{"table of 32 without descriptors", msgSetMemTable, tableOf(many...), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeak(t)
			for _, told := range []bool{true, false} {
				target := newFakeTarget(t, 2)
				f := newFrontend(t, target)
				f.prepare(0)
				// ring 1 would start at a kick, but its rings are nowhere
				f.set(msgSetVringNum, ringState{1, 256}.bytes())
				f.set(msgSetVringEnable, ringState{1, 1}.bytes())
				fds := make([]int, c.fds)
				for i := range fds {
					fds[i] = f.file(1 << 20)
				}
				target.said()
				if !told {
					f.send(c.id, 0, c.payload, fds...)
					if c.id == msgSetConfig {
						f.hangUp()
						return
					}
					f.dropped()
					continue
				}
				f.refuse(c.id, c.payload, fds...)
				f.set(msgSetVringEnable, ringState{0, 1}.bytes())
				f.set(msgSetVringKick, appendU64(0), f.event())
				if calls := target.said(); calls[len(calls)-1] != "start0 0" {
					t.Errorf("afterwards the device was told %q", calls)
				}
				f.hangUp()
			}
		})
	}
}

// TestNotAgreed sends what is served, before its protocol feature was agreed upon.
func TestNotAgreed(t *testing.T) {
	for _, id := range []messageID{msgSetBackendReqFD, msgResetDevice, msgGetMaxMemSlots, msgAddMemReg, msgRemMemReg, msgSetLogBase, msgGetConfig} {
		t.Run(id.String(), func(t *testing.T) {
			noLeak(t)
			target := newFakeTarget(t, 1)
			target.tag = "share"
			f := newFrontend(t, target)
			f.send(msgSetProtocolFeatures, 0, appendU64(protoReplyAck))
			r := rules[id]
			payload := make([]byte, max(r.size, 0))
			if r.size == anySize {
				payload = make([]byte, configHeadSize)
			}
			flags := uint32(flagNeedReply) // of no use where the reply has a meaning of its own
			if !r.replies {
				f.refuse(id, payload)
				flags = 0
			}
			f.send(id, flags, payload)
			f.dropped()
			target.want("reset")
		})
	}
}

// TestLost: when the device does not do what it must, the connection ends, even if the front-end is told.
func TestLost(t *testing.T) {
	for name, c := range map[string]struct {
		id      messageID
		payload []byte
	}{
		"setMemory": {msgRemMemReg, regOf(testRegion)},
		"stop":      {msgSetVringEnable, ringState{0, 0}.bytes()},
		"reset":     {msgResetDevice, nil},
		"setLog":    {msgSetFeatures, appendU64(splitBits | featureLogAll)},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			target := newFakeTarget(t, 1)
			f := newFrontend(t, target)
			f.prepare(0)
			f.set(msgSetVringEnable, ringState{0, 1}.bytes())
			f.set(msgSetVringKick, appendU64(0), f.event())
			target.fail(name, errAsked)
			f.refuse(c.id, c.payload)
			if err := f.dropped(); !errors.Is(err, errLost) || !errors.Is(err, errAsked) {
				t.Errorf("run: %v", err)
			}
			target.fail(name, nil)
			if err := target.reset(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("start", func(t *testing.T) { // the queue is stopped: everybody knows
		noLeak(t)
		target := newFakeTarget(t, 1)
		f := newFrontend(t, target)
		f.prepare(0)
		f.set(msgSetVringEnable, ringState{0, 1}.bytes())
		target.fail("start", errAsked)
		f.refuse(msgSetVringKick, appendU64(0), f.event())
		target.fail("start", nil)
		f.set(msgSetVringEnable, ringState{0, 1}.bytes()) // does not try again
		f.set(msgSetVringKick, appendU64(0), f.event())
		target.want("setMemory1 false", "start0 0", "start0 0")
		f.hangUp()
	})
}

// TestOutOfStep sends headers after which nothing that follows could be trusted.
func TestOutOfStep(t *testing.T) {
	for name, h := range map[string]header{
		"version 2": {msgGetFeatures, 2 | flagNeedReply, 0},
		"a reply":   {msgGetFeatures, flagVersion | flagReply | flagNeedReply, 0},
		"reserved":  {msgGetFeatures, flagVersion | 1<<5 | flagNeedReply, 0},
		"too long":  {msgGetFeatures, flagVersion | flagNeedReply, maxPayload + 1},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			target := newFakeTarget(t, 1)
			f := newFrontend(t, target)
			f.greet()
			if err := f.raw(h.append(nil), f.event(), f.event()); err != nil {
				t.Fatal(err)
			}
			f.dropped()
			target.want("reset")
		})
	}
}

// TestMessageInPieces: a message arrives byte by byte, its descriptors with any of them.
func TestMessageInPieces(t *testing.T) {
	noLeak(t)
	target := newFakeTarget(t, 1)
	f := newFrontend(t, target)
	f.greet()
	second := Region{GPA: 1 << 40, Size: 4096, UVA: 1 << 41}
	p := tableOf(testRegion, second)
	b := append(header{msgSetMemTable, flagVersion | flagNeedReply, uint32(len(p))}.append(nil), p...)
	fds := map[int]int{5: f.file(int64(testRegion.Size)), 40: f.file(4096)}
	for i := range b {
		var with []int
		if fd, ok := fds[i]; ok {
			with = append(with, fd)
		}
		if err := f.raw(b[i:i+1], with...); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.read(); err != nil || native.Uint64(f.body) != 0 {
		t.Fatalf("SET_MEM_TABLE: %v, %v", f.body, err)
	}
	target.want("setMemory2 false")
	f.hangUp()
}

// TestDescriptors: more of them than a message may have, all at once or by and by.
func TestDescriptors(t *testing.T) {
	for name, send := range map[string]func(f *frontend, fds []int) error{
		"at once": func(f *frontend, fds []int) error { return f.try(msgSetOwner, flagNeedReply, nil, fds...) },
		"by and by": func(f *frontend, fds []int) error {
			b := header{msgSetFeatures, flagVersion, maxPayload}.append(nil)
			for _, fd := range fds {
				if err := f.raw(b, fd); err != nil {
					return nil // refused before the last
				}
				b = []byte{0}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			f := newFrontend(t, newFakeTarget(t, 1))
			f.greet()
			fds := make([]int, maxFDs+1)
			for i := range fds {
				fds[i] = f.event()
			}
			if err := send(f, fds); err != nil {
				t.Fatal(err)
			}
			f.dropped()
		})
	}
}

// TestNoneLeft: this process may open no more descriptors.
func TestNoneLeft(t *testing.T) {
	for left := range 4 {
		t.Run(fmt.Sprint(left), func(t *testing.T) {
			noLeak(t)
			target := newFakeTarget(t, 1)
			f := newFrontend(t, target)
			f.prepare(0)
			f.set(msgSetVringCall, appendU64(0), f.event())
			f.set(msgSetVringErr, appendU64(0), f.event())
			f.set(msgSetVringKick, appendU64(0), f.event())
			event := f.event()
			allow(t, left)
			if left < 3 {
				f.refuse(msgSetVringEnable, ringState{0, 1}.bytes())
			} else {
				f.set(msgSetVringEnable, ringState{0, 1}.bytes()) // duplicates of all three
			}
			if left == 1 || left == 2 {
				f.set(msgSetVringCall, appendU64(0), event)
				f.hangUp()
				return
			}
			// what does not arrive cannot be kept
			f.send(msgSetVringCall, flagNeedReply, appendU64(0), event)
			f.dropped()
		})
	}
	t.Run("exchange", func(t *testing.T) { // the new one arrives, but there is no duplicate for the device
		noLeak(t)
		target := newFakeTarget(t, 1)
		f := newFrontend(t, target)
		f.prepare(0)
		f.set(msgSetVringEnable, ringState{0, 1}.bytes())
		f.set(msgSetVringKick, appendU64(0), f.event())
		event := f.event()
		restore := allow(t, 1)
		f.refuse(msgSetVringCall, appendU64(0), event)
		restore()
		if r := target.ring(0); !r.running || r.call != -1 {
			t.Errorf("the device has %+v", r)
		}
		f.set(msgSetVringCall, appendU64(0), event)
		f.hangUp()
	})
}

// allow has this process open n more descriptors and no more, until restore or the end of the test.
func allow(t *testing.T, n int) (restore func()) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	var free []int
	for range n + 1 {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		free = append(free, fd)
	}
	low := limit
	low.Cur = uint64(free[n])
	for _, fd := range free {
		_ = unix.Close(fd)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	restore = func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(restore)
	return restore
}

// TestHangUp ends the connection wherever it can end.
func TestHangUp(t *testing.T) {
	p := tableOf(testRegion)
	b := append(header{msgSetMemTable, flagVersion | flagNeedReply, uint32(len(p))}.append(nil), p...)
	for _, n := range []int{0, 1, headerSize - 1, headerSize, headerSize + 1, len(b) - 1, len(b)} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			noLeak(t)
			target := newFakeTarget(t, 1)
			f := newFrontend(t, target)
			f.prepare(0)
			f.set(msgSetVringEnable, ringState{0, 1}.bytes())
			f.set(msgSetVringKick, appendU64(0), f.event())
			if n > 0 {
				if err := f.raw(b[:n], f.file(int64(testRegion.Size))); err != nil {
					t.Fatal(err)
				}
			}
			f.hangUp()
			if calls := target.said(); calls[len(calls)-1] != "reset" || target.ring(0).running {
				t.Errorf("the device was told %q", calls)
			}
		})
	}
}

// TestClose ends a session from outside: one that waits for a request, and one whose front-end reads no replies.
func TestClose(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		noLeak(t)
		target := newFakeTarget(t, 1)
		f := newFrontend(t, target)
		f.askU64(msgGetFeatures, 0, nil)
		f.s.close()
		if err := f.wait(); err != nil {
			t.Errorf("run: %v", err)
		}
		target.want("reset")
		f.hangUp()
	})
	t.Run("stuck", func(t *testing.T) {
		noLeak(t)
		f := newFrontend(t, newFakeTarget(t, 1))
		sent := make(chan error)
		go func() {
			for {
				if err := f.try(msgGetFeatures, 0, nil); err != nil {
					sent <- err
					return
				}
			}
		}()
		// when both directions are full, the session waits in write
		for stuck := 0; stuck < 3; {
			before := pending(t, f.fd)
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(f.fd)}}, 20); err != nil && err != unix.EINTR {
				t.Fatal(err)
			}
			if now := pending(t, f.fd); now == before && now > 0 {
				stuck++
			} else {
				stuck = 0
			}
		}
		f.s.close()
		if err := f.wait(); err != nil {
			t.Errorf("run: %v", err)
		}
		if err := <-sent; err != unix.EPIPE && err != unix.ECONNRESET {
			t.Error(err)
		}
		f.hangUp()
	})
}

// pending is how many bytes wait to be read.
func pending(t *testing.T, fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
