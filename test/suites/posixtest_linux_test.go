package suites_test

import (
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/posixtest"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

// posixtestWrong are tests that no file system passes.
var posixtestWrong = map[string]string{
	"FcntlFlockLocksFile": "it wants two descriptors of one process to exclude each other by F_SETLK, and POSIX locks belong to the process",
}

// posixtestLimit is the time for one test; the slowest takes two seconds.
const posixtestLimit = time.Minute

// TestPosixtest runs the suite that go-fuse exports.
func TestPosixtest(t *testing.T) {
	var native []string
	t.Run("tmpfs", func(t *testing.T) {
		native = posixtests(t, testmount.Tmpfs(t), func(_ *testing.T, fn func()) { fn() })
	})
	overTransports(t, func(t *testing.T, m *testmount.Mount) {
		skipped := posixtests(t, m.Dir, func(t *testing.T, fn func()) { m.Within(t, posixtestLimit, fn) })
		sameSkips(t, native, skipped)
	})
}

// posixtests runs each test in a folder of its own below dir, through within, and returns the names of those that skipped.
func posixtests(t *testing.T, dir string, within func(*testing.T, func())) (skipped []string) {
	for _, name := range slices.Sorted(maps.Keys(posixtest.All)) {
		if posixtestWrong[name] != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			defer func() {
				if t.Skipped() {
					skipped = append(skipped, name)
				}
			}()
			within(t, func() {
				sub, err := os.MkdirTemp(dir, name)
				if err != nil {
					t.Fatal(err)
				}
				posixtest.All[name](t, sub)
			})
		})
	}
	return skipped
}

// TestPosixtestWrong keeps the list short: a test that is no longer there is no reason to leave one out.
func TestPosixtestWrong(t *testing.T) {
	for name := range posixtestWrong {
		if posixtest.All[name] == nil {
			t.Errorf("%s is not part of the suite any more", name)
		}
	}
}
