//go:build linux

package vring

import (
	"bufio"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestConversation replays what QEMU said to this device from its start to its end, the guest having rebooted once, and
// compares our replies and what the device was told. A recording has lines of three kinds:
//
//	NAME FLAGS PAYLOAD DESCRIPTORS   a request; - is an empty payload
//	< PAYLOAD                        our reply to it
//	> CALL                           what it has the device do
func TestConversation(t *testing.T) {
	files, err := filepath.Glob("testdata/conversations/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) { replay(t, name) })
	}
}

func replay(t *testing.T, name string) {
	noLeak(t)
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	target := newFakeTarget(t, 3)
	f := newFrontend(t, target)
	var calls []string
	for s := bufio.NewScanner(file); s.Scan(); {
		kind, rest, _ := strings.Cut(s.Text(), " ")
		switch kind {
		case ">":
			calls = append(calls, rest)
		case "<":
			if err := f.read(); err != nil || f.Flags != flagVersion|flagReply || hex.EncodeToString(f.body) != rest {
				t.Fatalf("reply %v with flags %#x is %x, %v; want %s", f.ID, f.Flags, f.body, err, rest)
			}
		default:
			say(f, kind, strings.Fields(rest))
		}
	}
	// there is no reply that QEMU would take for that to something else
	if err := unix.Shutdown(f.fd, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	if err := f.read(); err != io.EOF {
		t.Errorf("a reply to %v too much, or %v", f.ID, err)
	}
	f.hangUp()
	if got := target.said(); !slices.Equal(got, calls) {
		t.Errorf("the device was told %q, want %q", got, calls)
	}
}

// say sends a recorded request, with descriptors of the kind that it came with.
func say(f *frontend, name string, args []string) {
	id := messageID(slices.Index(messageNames[:], name))
	flags, err := strconv.ParseUint(args[0], 0, 32)
	if err != nil {
		f.Fatal(err)
	}
	payload, err := hex.DecodeString(strings.TrimPrefix(args[1], "-"))
	if err != nil {
		f.Fatal(err)
	}
	var fds []int
	switch {
	case args[2] == "0":
	case id == msgAddMemReg:
		fds = append(fds, f.file(int64(parseRegion(payload[8:]).Size)))
	default:
		fds = append(fds, f.event())
	}
	f.send(id, uint32(flags)&^flagVersionMask, payload, fds...)
}
