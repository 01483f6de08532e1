package suites_test

import (
	"slices"
	"testing"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

func TestMain(m *testing.M) { testmount.Main(m) }

// mountOptions make a mount as open as the backing file system: other users, with the kernel checking modes, and device
// files and set-id bits that count.
const mountOptions = "allow_other,default_permissions,dev,suid"

// overTransports runs fn as a subtest for each transport, on a fresh tmpfs behind a fresh mount.
func overTransports(t *testing.T, fn func(t *testing.T, m *testmount.Mount)) {
	for _, transport := range []string{"uring", "classic", "blocking"} {
		t.Run(transport, func(t *testing.T) {
			src := testmount.Tmpfs(t)
			m := testmount.Start(t, src, testmount.Config{Transport: transport, Options: mountOptions})
			fn(t, m)
			m.Stop()
		})
	}
}

// sameSkips fails the test when something was skipped on the mount that runs on the backing file system.
func sameSkips(t *testing.T, native, mounted []string) {
	t.Helper()
	for _, name := range mounted {
		if !slices.Contains(native, name) {
			t.Errorf("%s runs on the backing file system and is skipped on the mount", name)
		}
	}
}
