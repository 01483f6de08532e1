//go:build linux

package ring

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain fails when the tests leave a ring open or mapped.
func TestMain(m *testing.M) {
	code := m.Run()
	fds, maps := openRings()
	if code == 0 && fds+maps > 0 {
		fmt.Fprintf(os.Stderr, "%d rings are open and %d areas of rings mapped after the tests\n", fds, maps)
		code = 1
	}
	os.Exit(code)
}

func openRings() (fds, maps int) {
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && strings.Contains(to, "[io_uring]") {
			fds++
		}
	}
	b, _ := os.ReadFile("/proc/self/maps")
	return fds, strings.Count(string(b), "[io_uring]")
}
