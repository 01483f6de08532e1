package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fastfsd/fastfsd/internal/pjdfstest"
	"github.com/fastfsd/fastfsd/internal/testmount"
)

// suites are pairs of QEMU and Linux, by the Debian suite that they come from: a current one, or what FASTFSD_GUESTS says. Each
// is a download of 95 MB, once.
func suites() []string {
	if s := strings.Fields(os.Getenv("FASTFSD_GUESTS")); len(s) > 0 {
		return s
	}
	return []string{"bookworm-backports"}
}

// eachPair runs fn as a subtest for each pair, with a fresh share.
func eachPair(t *testing.T, fn func(t *testing.T, s *share, suite string)) {
	for _, suite := range suites() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			fn(t, startShare(t, testmount.Tmpfs(t)), suite)
		})
	}
}

// TestOneQueue runs the POSIX suite.
func TestOneQueue(t *testing.T) {
	eachPair(t, func(t *testing.T, s *share, suite string) {
		files := []string{"../../.tools/bin/pjdfstest", "../suites/pjdfstest.toml"}
		out := boot(t, s, machine{suite: suite, queues: 1, files: files}, "queues", "pjdfstest").wait(t)
		r, err := pjdfstest.Parse(out)
		if err != nil || r.Failed != 0 {
			t.Fatalf("%d of %d cases fail: %v", r.Failed, pjdfstest.Cases, err)
		}
		for _, name := range r.Skips {
			if !strings.Contains(name, "::erofs_") && name != "link::link_count_max" {
				t.Errorf("%s is skipped: only what would need a remount, or more links than can be, may be", name)
			}
		}
	})
}

// TestTwoQueues runs the conformance suite.
func TestTwoQueues(t *testing.T) {
	eachPair(t, func(t *testing.T, s *share, suite string) {
		boot(t, s, machine{suite: suite, queues: 2}, "queues", "conformance").wait(t)
	})
}

// TestKilled: QEMU dies while the guest writes. The server gives back what it held, and serves the guest when it returns.
func TestKilled(t *testing.T) {
	dir := testmount.Tmpfs(t)
	s := startShare(t, dir)
	before := s.descriptors(t)
	g := boot(t, s, machine{queues: 2}, "write")
	within(t, guestLimit, "the guest has not written enough", func() bool { return g.ended() || exists(dir, fileName(50)) })
	if g.ended() || !s.guestMemory(t) {
		t.Fatalf("no guest to kill:\n%s", g.console.String())
	}
	g.kill()
	within(t, serverLimit, "the server holds on to the dead guest", func() bool {
		return s.descriptors(t) <= before && !s.guestMemory(t)
	})
	filesComplete(t, dir)
	boot(t, s, machine{queues: 2}, "files").wait(t)
}

// TestReset: the guest is reset while it writes and boots again, on the same connection.
func TestReset(t *testing.T) {
	s := startShare(t, testmount.Tmpfs(t))
	out := boot(t, s, machine{queues: 2, reboots: true}, "reset", "files").wait(t)
	if n := strings.Count(out, "guest: Linux"); n != 2 {
		t.Errorf("the guest has booted %d times, want 2\n%s", n, out)
	}
	if n := strings.Count(s.log.String(), "has connected"); n != 1 {
		t.Errorf("QEMU has connected %d times, want 1", n)
	}
}

// TestTwoGuests: two guests on one share, of the first and the last pair.
func TestTwoGuests(t *testing.T) {
	dir := testmount.Tmpfs(t)
	s := startShare(t, dir)
	kernels := suites()
	ann := boot(t, s, machine{suite: kernels[0]}, "ann")
	bob := boot(t, s, machine{suite: kernels[len(kernels)-1]}, "bob")
	ann.wait(t)
	bob.wait(t)
	if got, err := os.ReadFile(filepath.Join(dir, "counter")); err != nil || string(got) != fmt.Sprintf("%08d", 2*rounds) {
		t.Errorf("the counter that both have counted up: %q, %v, want %d", got, err, 2*rounds)
	}
}
