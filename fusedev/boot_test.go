//go:build linux

package fusedev

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/fusedev/internal/mnt"
	"github.com/fastfsd/fastfsd/vfs"
)

// standIn is a server whose device is one end of a socket pair.
func standIn(t *testing.T) (*Server, int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(pair[0])
		unix.Close(pair[1])
	})
	conn, err := vfs.NewConn(vfs.Resolve(&testFS{inline: true}), vfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &Server{fd: pair[0], conn: conn, log: quiet(), m: &mnt.Mount{FD: pair[0]}}, pair[1]
}

func initMessage(unique uint64, in abi.InitIn) []byte {
	h := abi.InHeader{Len: uint32(abi.HeaderSize + len(abi.Bytes(&in))), Opcode: abi.OpInit, Unique: unique}
	return append(append([]byte{}, abi.Bytes(&h)...), abi.Bytes(&in)...)
}

func answer(t *testing.T, fd int) (abi.OutHeader, abi.InitOut) {
	t.Helper()
	b := make([]byte, 4096)
	n, err := unix.Read(fd, b)
	if err != nil {
		t.Fatal(err)
	}
	var h abi.OutHeader
	var out abi.InitOut
	if !abi.Decode(&h, b[:n]) || int(h.Len) != n {
		t.Fatalf("answer of %d bytes, length %d", n, h.Len)
	}
	abi.Decode(&out, append(b[abi.OutHeaderSize:n], make([]byte, 64)...))
	return h, out
}

// TestOtherMajor: a kernel with a newer major is told ours and asks again; one with an older major is refused.
func TestOtherMajor(t *testing.T) {
	s, peer := standIn(t)
	done := make(chan error, 1)
	go func() { done <- s.boot() }()
	unix.Write(peer, initMessage(2, abi.InitIn{Major: 8}))
	if h, out := answer(t, peer); h.Error != 0 || h.Unique != 2 || out.Major != 7 {
		t.Errorf("major 8: %+v %+v", h, out)
	}
	unix.Write(peer, initMessage(4, abi.InitIn{Major: 6, Minor: 9}))
	if h, _ := answer(t, peer); h.Error != -int32(unix.EPROTO) || h.Unique != 4 {
		t.Errorf("major 6: %+v", h)
	}
	unix.Write(peer, initMessage(6, abi.InitIn{Major: 7, Minor: 45, MaxReadahead: 131072}))
	if h, out := answer(t, peer); h.Error != 0 || out.Major != 7 || out.Minor == 0 {
		t.Errorf("major 7: %+v %+v", h, out)
	}
	if err := within(t, "boot", func() error { return <-done }); err != nil {
		t.Error(err)
	}
}

func TestBootSurvivesRubbish(t *testing.T) {
	s, peer := standIn(t)
	done := make(chan error, 1)
	go func() { done <- s.boot() }()
	early := abi.InHeader{Len: abi.HeaderSize, Opcode: abi.OpStatfs, Unique: 2, NodeID: 1} // before INIT
	unix.Write(peer, abi.Bytes(&early))
	if h, _ := answer(t, peer); h.Error == 0 || h.Unique != 2 {
		t.Errorf("request before INIT: %+v", h)
	}
	unix.Write(peer, []byte("short"))
	if err := within(t, "boot", func() error { return <-done }); !errors.Is(err, unix.EPROTO) {
		t.Errorf("a short message: %v", err)
	}
}

func TestHints(t *testing.T) {
	file := filepath.Join(t.TempDir(), "enable_uring")
	if err := uringSwitch(file); !errors.Is(err, ErrNoUring) || !strings.Contains(err.Error(), "6.14") {
		t.Error(err)
	}
	if err := os.WriteFile(file, []byte("N\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := uringSwitch(file); !errors.Is(err, ErrNoUring) || !strings.Contains(err.Error(), "echo Y >") {
		t.Error(err)
	}
	if err := os.WriteFile(file, []byte("Y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := uringSwitch(file); err != nil {
		t.Error(err)
	}
}

func TestTransportNames(t *testing.T) {
	for kind := Auto; kind <= Blocking; kind++ {
		var got Transport
		if err := got.UnmarshalText([]byte(kind.String())); err != nil || got != kind {
			t.Errorf("%v: %v, %v", kind, got, err)
		}
	}
	var got Transport
	if err := got.UnmarshalText([]byte("pigeon")); err == nil {
		t.Error("pigeon is a transport")
	}
}
