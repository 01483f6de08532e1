//go:build linux

package vring

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// frontend is the VMM's side of a session in a test.
type frontend struct {
	testing.TB
	fd     int
	s      *session
	target *fakeTarget
	end    chan error // of run

	header // of the last reply
	body   []byte
}

// testPatience bounds every wait of a test; it is never reached when all is well.
const testPatience = 30 * time.Second

// newFrontend starts a session on one end of a socket pair.
func newFrontend(t testing.TB, target *fakeTarget) *frontend {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	tv := unix.NsecToTimeval(int64(testPatience))
	if err := unix.SetsockoptTimeval(pair[0], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		t.Fatal(err)
	}
	_, conn, err := Inherit(pair[1])
	if err != nil {
		t.Fatal(err)
	}
	f := &frontend{TB: t, fd: pair[0], target: target, end: make(chan error, 1)}
	f.s = newSession(conn, target, slog.New(slog.DiscardHandler))
	go func() { f.end <- f.s.run() }()
	return f
}

// send sends one request in one system call.
func (f *frontend) send(id messageID, flags uint32, payload []byte, fds ...int) {
	f.Helper()
	if err := f.try(id, flags, payload, fds...); err != nil {
		f.Fatalf("send %v: %v", id, err)
	}
}

func (f *frontend) try(id messageID, flags uint32, payload []byte, fds ...int) error {
	b := header{id, flagVersion | flags, uint32(len(payload))}.append(nil)
	return f.raw(append(b, payload...), fds...)
}

func (f *frontend) raw(b []byte, fds ...int) error {
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	return unix.Sendmsg(f.fd, b, oob, nil, unix.MSG_NOSIGNAL)
}

// read reads one reply; io.EOF when the session has closed the connection.
func (f *frontend) read() error {
	b := make([]byte, headerSize)
	if err := readFull(f.fd, b); err != nil {
		return err
	}
	f.header = header{messageID(native.Uint32(b)), native.Uint32(b[4:]), native.Uint32(b[8:])}
	f.body = make([]byte, f.Size)
	return readFull(f.fd, f.body)
}

func readFull(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Read(fd, b)
		switch {
		case err == unix.EINTR:
		case err == unix.ECONNRESET || err == nil && n == 0:
			return io.EOF // a session that closes with requests unread resets
		case err != nil:
			return err
		default:
			b = b[n:]
		}
	}
	return nil
}

// ask sends a request and returns the body of its reply.
func (f *frontend) ask(id messageID, flags uint32, payload []byte, fds ...int) []byte {
	f.Helper()
	f.send(id, flags, payload, fds...)
	if err := f.read(); err != nil {
		f.Fatalf("reply to %v: %v", id, err)
	}
	if f.ID != id || f.Flags != flagVersion|flagReply {
		f.Fatalf("reply to %v is %v with flags %#x", id, f.ID, f.Flags)
	}
	return f.body
}

// askU64 does it for a reply of one number.
func (f *frontend) askU64(id messageID, flags uint32, payload []byte, fds ...int) uint64 {
	f.Helper()
	b := f.ask(id, flags, payload, fds...)
	if len(b) != u64Size {
		f.Fatalf("reply to %v has %d bytes, want 8", id, len(b))
	}
	return native.Uint64(b)
}

// set sends a request that must succeed.
func (f *frontend) set(id messageID, payload []byte, fds ...int) {
	f.Helper()
	if code := f.askU64(id, flagNeedReply, payload, fds...); code != 0 {
		f.Fatalf("%v failed", id)
	}
}

// refuse sends a request that must fail and leave the connection alive.
func (f *frontend) refuse(id messageID, payload []byte, fds ...int) {
	f.Helper()
	if code := f.askU64(id, flagNeedReply, payload, fds...); code == 0 {
		f.Fatalf("%v succeeded", id)
	}
}

// wait returns what run returned.
func (f *frontend) wait() error {
	f.Helper()
	select {
	case err := <-f.end:
		f.end <- err
		return err
	case <-time.After(testPatience):
		f.Fatal("the session does not end")
		return nil
	}
}

// hangUp closes the connection as a VMM does, and wants the session to end well.
func (f *frontend) hangUp() {
	f.Helper()
	if f.fd < 0 {
		return
	}
	_ = unix.Close(f.fd)
	f.fd = -1
	if err := f.wait(); err != nil {
		f.Errorf("run: %v", err)
	}
}

// dropped waits for the session to end with an error, having closed the connection.
func (f *frontend) dropped() error {
	f.Helper()
	if err := f.read(); err != io.EOF {
		f.Errorf("a reply to %v, or an error: %v; want the connection to end", f.ID, err)
	}
	err := f.wait()
	if err == nil {
		f.Error("run returned nil")
	}
	_ = unix.Close(f.fd)
	f.fd = -1
	return err
}

const (
	allFeatures = featureLogAll | featureIndirect | featureEventIdx | featureProtocol | featureVersion1 | featureRingPacked
	splitBits   = featureIndirect | featureEventIdx | featureProtocol | featureVersion1
	allProtocol = protoMQ | protoLogShmfd | protoReplyAck | protoBackendReq | protoBackendSendFD | protoResetDevice | protoConfigMemSlots
)

// greet agrees on features as QEMU does.
func (f *frontend) greet() {
	f.Helper()
	f.send(msgSetProtocolFeatures, 0, appendU64(allProtocol))
	f.set(msgSetFeatures, appendU64(splitBits))
}

// tableOf is a payload of SET_MEM_TABLE.
func tableOf(rs ...Region) []byte {
	b := native.AppendUint32(nil, uint32(len(rs)))
	b = native.AppendUint32(b, 0)
	for _, r := range rs {
		b = appendRegion(b, r)
	}
	return b
}

func appendRegion(b []byte, r Region) []byte {
	for _, v := range []uint64{r.GPA, r.Size, r.UVA, r.Offset} {
		b = native.AppendUint64(b, v)
	}
	return b
}

// regOf is a payload of ADD_MEM_REG and REM_MEM_REG.
func regOf(r Region) []byte { return appendRegion(make([]byte, 8), r) }

func (a ringAddr) bytes() []byte {
	b := native.AppendUint32(nil, a.Index)
	b = native.AppendUint32(b, a.Flags)
	for _, v := range []uint64{a.Desc, a.Used, a.Avail, a.Log} {
		b = native.AppendUint64(b, v)
	}
	return b
}

// Memory that the tests use: one region of 1 MiB, with the rings at its start.
const testUVA = 0x7f00_0000_0000

var testRegion = Region{GPA: 0x1000_0000, Size: 1 << 20, UVA: testUVA}

func testAddr(i uint32) ringAddr {
	at := testUVA + uint64(i)<<16
	return ringAddr{Index: i, Desc: at, Avail: at + 0x4000, Used: at + 0x8000}
}

// file opens a file that dies with the test.
func (f *frontend) file(size int64) int {
	f.Helper()
	fd, err := unix.MemfdCreate("vring-session", unix.MFD_CLOEXEC)
	if err == nil {
		f.Cleanup(func() { _ = unix.Close(fd) })
		err = unix.Ftruncate(fd, size)
	}
	if err != nil {
		f.Fatal(err)
	}
	return fd
}

// event is an eventfd that dies with the test.
func (f *frontend) event() int {
	f.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// prepare brings memory and a ring up to where only KICK and ENABLE are missing.
func (f *frontend) prepare(rings ...uint32) {
	f.Helper()
	f.greet()
	f.set(msgSetMemTable, tableOf(testRegion), f.file(int64(testRegion.Size)))
	for _, i := range rings {
		f.setUp(i)
	}
}

func (f *frontend) setUp(i uint32) {
	f.Helper()
	f.set(msgSetVringNum, ringState{i, 256}.bytes())
	f.set(msgSetVringBase, ringState{i, 0}.bytes())
	f.set(msgSetVringAddr, testAddr(i).bytes())
}

// fakeTarget is a device that checks what it is told and notes it down.
type fakeTarget struct {
	testing.TB
	n   int    // queues
	tag string // of config

	mu    sync.Mutex // guards what follows: the test looks while the session runs
	calls []string
	rings []fakeRing
	mem   *Memory
	errs  map[string]error // of the calls that are to fail
}

type fakeRing struct {
	running         bool
	conf            virtqConfig
	kick, call, err int
	features        uint64
}

func newFakeTarget(t testing.TB, queues int) *fakeTarget {
	ft := &fakeTarget{TB: t, n: queues, rings: make([]fakeRing, queues), errs: map[string]error{}}
	t.Cleanup(ft.release)
	return ft
}

// release gives the memory back, as the device does after the session.
func (t *fakeTarget) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mem != nil {
		t.mem.release()
		t.mem = nil
	}
}

// note writes a call down and says whether it is to fail. Preconditions: mu is held.
func (t *fakeTarget) note(name string, args ...any) error {
	t.calls = append(t.calls, fmt.Sprint(append([]any{name}, args...)...))
	return t.errs[name]
}

// said returns the calls since it was last asked.
func (t *fakeTarget) said() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.calls
	t.calls = nil
	return c
}

func (t *fakeTarget) ring(i int) fakeRing {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rings[i]
}

func (t *fakeTarget) fail(name string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.errs[name] = err
}

func (t *fakeTarget) features() uint64 { return allFeatures }

func (t *fakeTarget) queues() int { return t.n }

func (t *fakeTarget) setMemory(m *Memory, removed bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m == nil {
		t.Error("setMemory(nil)")
	}
	if t.mem != nil {
		t.mem.release()
	}
	t.mem = m
	return t.note("setMemory", len(m.regions), " ", removed)
}

func (t *fakeTarget) start(i int, c virtqConfig, kick, call, errfd int, features uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.rings[i]
	if r.running {
		t.Errorf("start of queue %d, which runs", i)
	}
	for _, fd := range []int{kick, call, errfd} {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); fd >= 0 && err != nil {
			t.Errorf("start of queue %d with descriptor %d, which is closed", i, fd)
		}
	}
	err := t.note("start", i, " ", c.base)
	if err == nil {
		_, err = newVirtq(t.mem, c)
	}
	if err != nil {
		closeFD(kick)
		closeFD(call)
		closeFD(errfd)
		return err
	}
	*r = fakeRing{true, c, kick, call, errfd, features}
	return nil
}

// stop says that the ring went on by 7.
func (t *fakeTarget) stop(i int) (uint32, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.rings[i]
	if !r.running {
		t.Errorf("stop of queue %d, which does not run", i)
	}
	if err := t.note("stop", i); err != nil {
		return 0, err
	}
	base := r.conf.base + 7
	r.halt()
	return base, nil
}

func (r *fakeRing) halt() {
	closeFD(r.kick)
	closeFD(r.call)
	closeFD(r.err)
	*r = fakeRing{}
}

func (t *fakeTarget) setCall(i, fd int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.note("setCall", i)
	closeFD(t.rings[i].call)
	t.rings[i].call = fd
}

func (t *fakeTarget) setErr(i, fd int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.note("setErr", i)
	closeFD(t.rings[i].err)
	t.rings[i].err = fd
}

func (t *fakeTarget) setLog(i int, d *dirtyLog, used uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.rings[i].running {
		t.Errorf("setLog of queue %d, which does not run", i)
	}
	t.rings[i].conf.dirty, t.rings[i].conf.logUsed = d, used
	return t.note("setLog", i, " ", d != nil, " ", used)
}

func (t *fakeTarget) reset() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.note("reset"); err != nil {
		return err
	}
	for i := range t.rings {
		if t.rings[i].running {
			t.rings[i].halt()
		}
	}
	return nil
}

func (t *fakeTarget) config(off, n uint32) []byte {
	b := make([]byte, 40)
	if t.tag == "" || uint64(off)+uint64(n) > uint64(len(b)) {
		return nil
	}
	copy(b, t.tag)
	return b[off : off+n]
}

// sameFile says whether two descriptors are of one open file, as far as fcntl tells: its status flags change together.
func sameFile(t testing.TB, a, b int) bool {
	t.Helper()
	before, err := unix.FcntlInt(uintptr(a), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = unix.FcntlInt(uintptr(a), unix.F_SETFL, before) }()
	if _, err := unix.FcntlInt(uintptr(a), unix.F_SETFL, before^unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	now, err := unix.FcntlInt(uintptr(b), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return now&unix.O_NONBLOCK == (before^unix.O_NONBLOCK)&unix.O_NONBLOCK
}

// openFDs counts this process's descriptors.
func openFDs(t testing.TB) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// noLeak has the test fail if it leaves descriptors open. The first connection opens some of the runtime's, for good.
func noLeak(t testing.TB) {
	t.Helper()
	warmUp.Do(func() {
		l, err := net.Listen("unix", "")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	})
	before := openFDs(t)
	t.Cleanup(func() {
		if after := openFDs(t); after != before {
			t.Errorf("%d descriptors are open, %d were", after, before)
		}
	})
}

var warmUp sync.Once

var errAsked = errors.New("the test wants it to fail")
