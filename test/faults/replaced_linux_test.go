package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

// TestReplacedOnTheHost: a file that the host replaces by a rename is never missing, although the client's kernel still
// remembers the old one: the server says that it is stale, and the kernel looks again. Until the name times out the old
// contents are as good as the new ones, if a descriptor still holds them.
func TestReplacedOnTheHost(t *testing.T) {
	overTransports(t, func(t *testing.T, transport string) {
		src := testmount.Tmpfs(t)
		hostFile, tmp := filepath.Join(src, "f"), filepath.Join(src, "tmp")
		replace := func(what string) {
			t.Helper()
			if err := os.WriteFile(tmp, []byte(what), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(tmp, hostFile); err != nil {
				t.Fatal(err)
			}
		}
		replace("first")
		m := testmount.Start(t, src, testmount.Config{Transport: transport, Args: []string{"--entry-timeout", "1h", "--attr-timeout", "1h"}})
		m.Within(t, time.Minute, func() {
			for i := range 20 {
				if _, err := os.ReadFile(filepath.Join(m.Dir, "f")); err != nil { // remembered now
					t.Fatal(i, err)
				}
				replace(fmt.Sprint("version ", i))
				if got, err := os.ReadFile(filepath.Join(m.Dir, "f")); err != nil || len(got) == 0 {
					t.Fatalf("%d: %q, %v", i, got, err)
				}
			}
		})
		m.Stop()
	})
}
