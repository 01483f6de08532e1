//go:build linux

package passthrough_test

import (
	"os"
	"testing"
)

// shareIn makes an empty directory below dir, or below the usual place for temporary files.
func shareIn(t testing.TB, dir string) string {
	t.Helper()
	share, err := os.MkdirTemp(dir, "passthrough-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(share); err != nil {
			t.Error(err)
		}
	})
	return share
}
