package faults

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

// cyclesEnv says how many times TestMountCycles mounts and unmounts in all. What it looks for shows as well in fewer.
const cyclesEnv = "FASTFSD_TEST_CYCLES"

const (
	manyMounts    = 1000
	defaultCycles = 1500
	manyLimit     = 5 * time.Minute
	settleLimit   = 30 * time.Second
)

// TestThousandMounts: one process with one engine serves a thousand mounts over the transport that it chooses by itself, and has no
// thread more than with one.
func TestThousandMounts(t *testing.T) {
	m := startMany(t)
	none := m.usage
	one := m.do(t, "mount 1")
	m.within(t, manyLimit, func() { m.use(t, 0) })
	all := m.do(t, fmt.Sprint("mount ", manyMounts))
	m.within(t, manyLimit, func() {
		for i := range manyMounts {
			m.use(t, i)
		}
	})
	used := m.do(t, fmt.Sprint("mount ", manyMounts)) // does nothing but measure
	t.Logf("none %+v, one %+v, all %+v, used %+v", none, one, all, used)
	if one.Threads > none.Threads || all.Threads > one.Threads || used.Threads > one.Threads {
		t.Errorf("%d threads without a mount, %d with one, %d with %d, %d after their use", none.Threads, one.Threads, all.Threads, manyMounts, used.Threads)
	}
	if n := (used.ResidentKiB - none.ResidentKiB) / manyMounts; n > 1024 {
		t.Errorf("a mount with a few requests behind it takes %d KiB", n)
	}
	m.stop(t)
}

// TestMountCycles: what comes with a mount goes with it. A ring entry's payload that stayed behind each time would show as memory, one
// that was never touched as mappings or addresses.
func TestMountCycles(t *testing.T) {
	cycles := defaultCycles
	if s := os.Getenv(cyclesEnv); s != "" {
		var err error
		if cycles, err = strconv.Atoi(s); err != nil {
			t.Fatalf("%s: %v", cyclesEnv, err)
		}
	}
	m := startMany(t)
	overTransports(t, func(t *testing.T, transport string) {
		const warm = 50
		before, n := m.do(t, fmt.Sprintf("cycle %s %d", transport, warm)), cycles/3
		begun := time.Now()
		after := m.do(t, fmt.Sprintf("cycle %s %d", transport, n))
		t.Logf("%d cycles in %v: before %+v, after %+v", n, time.Since(begun), before, after)
		const slackKiB, arenaKiB = 32 << 10, 64 << 10 // a heap's ups and downs; what it asks for at a time
		for end := time.Now().Add(settleLimit); ; after = m.do(t, "mount 0") {
			err := errors.Join(
				grew("threads", before.Threads, after.Threads, 32), // the blocking transport's end, and the runtime makes others when it likes
				grew("descriptors", before.FDs, after.FDs, 0),
				grew("goroutines", before.Goroutines, after.Goroutines, 0),
				grew("mappings", before.Maps, after.Maps, 25),
				grew("resident KiB", before.ResidentKiB, after.ResidentKiB, slackKiB),
				grew("KiB of addresses", before.VirtualKiB, after.VirtualKiB, 3*arenaKiB),
			)
			if err == nil {
				break
			}
			if time.Now().After(end) { // what ends in the background has had its time
				t.Fatalf("after %d cycles: %v", n, err)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	m.stop(t)
}

func grew(what string, before, after, most int) error {
	if after > before+most {
		return fmt.Errorf("%s: %d before, %d after", what, before, after)
	}
	return nil
}

// many is a server process for many mounts; see serveManyEnv.
type many struct {
	*child
	in    io.WriteCloser
	out   *bufio.Scanner
	small []byte // what the small file holds
	usage usage  // of the process when it was ready
}

func startMany(t *testing.T) *many {
	t.Helper()
	src, small := testmount.Tmpfs(t), []byte("small\n")
	for name, b := range map[string][]byte{"small": small, bigFile: bytes.Repeat([]byte("0123456789abcdef"), bigSize/16)} {
		if err := os.WriteFile(filepath.Join(src, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := &many{child: newChild(t, serveManyEnv, src), small: small}
	in, err1 := m.cmd.StdinPipe()
	out, err2 := m.cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	m.start(t)
	m.in, m.out = in, bufio.NewScanner(out)
	m.within(t, manyLimit, func() { m.usage = m.answer(t) })
	return m
}

// do gives the process a command.
func (m *many) do(t *testing.T, command string) (u usage) {
	t.Helper()
	m.within(t, manyLimit, func() {
		if _, err := fmt.Fprintln(m.in, command); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, &m.log)
		}
		u = m.answer(t)
	})
	return u
}

func (m *many) answer(t *testing.T) (u usage) {
	t.Helper()
	if !m.out.Scan() {
		t.Fatalf("the server has ended: %v", m.out.Err())
	}
	if err := json.Unmarshal(m.out.Bytes(), &u); err != nil || u.Err != "" {
		t.Fatalf("the server says %s: %v", m.out.Bytes(), err)
	}
	return u
}

// use has mount i answer a stat and a read.
func (m *many) use(t *testing.T, i int) {
	t.Helper()
	path := filepath.Join(m.dir, strconv.Itoa(i), "small")
	st, err := os.Stat(path)
	if err != nil || st.Size() != int64(len(m.small)) {
		t.Fatalf("mount %d: %v, %v", i, st, err)
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, m.small) {
		t.Fatalf("mount %d: read %q, %v", i, b, err)
	}
}

// stop has the process unmount everything and end.
func (m *many) stop(t *testing.T) {
	t.Helper()
	m.in.Close()
	m.wait(t, manyLimit)
	if left := m.mounts(); len(left) > 0 {
		t.Errorf("%d mounts stayed", len(left))
	}
}
