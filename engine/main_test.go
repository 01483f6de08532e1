//go:build linux

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// runtimeEvents is how many eventfds the Go runtime has for itself.
const runtimeEvents = 1

// TestMain fails when the tests leave a ring or an event open. A test that must end its process runs itself again as a
// child.
func TestMain(m *testing.M) {
	if child := children[os.Getenv(childEnv)]; child != nil {
		child()
		os.Exit(0)
	}
	code := m.Run()
	rings, events := countFDs("anon_inode:[io_uring]"), countFDs("anon_inode:[eventfd]")
	if code == 0 && (rings > 0 || events > runtimeEvents) {
		fmt.Fprintf(os.Stderr, "%d rings and %d eventfds are open after the tests\n", rings, events)
		code = 1
	}
	os.Exit(code)
}

// countFDs is how many descriptors of this process are of that kind.
func countFDs(kind string) (n int) {
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && to == kind {
			n++
		}
	}
	return n
}
