package conformance

import (
	"testing"

	"github.com/fastfsd/fastfsd/internal/testmount"
	"github.com/fastfsd/fastfsd/vfs/vfstest"
)

var transports = []string{"uring", "classic", "blocking"}

// TestPassthrough: all that a local file system does, over every transport and cache policy that changes what is asked.
func TestPassthrough(t *testing.T) {
	variants := map[string][]string{
		"default":   nil,
		"nocache":   {"--cache", "never"},
		"always":    {"--cache", "always"},
		"nohandles": {"--inode-file-handles", "never"},
		"writeback": {"--writeback"},
		"noopen":    {"--no-open", "--no-opendir", "--cache", "always", "--locks", "local"},
	}
	for _, transport := range transports {
		for name, args := range variants {
			if name != "default" && transport != "uring" {
				continue // what the back-end says does not depend on the way it takes
			}
			t.Run(transport+"/"+name, func(t *testing.T) {
				src := testmount.Tmpfs(t)
				m := testmount.Start(t, src, testmount.Config{
					Transport: transport, Options: "allow_other,default_permissions,dev,suid", Args: args,
				})
				vfstest.Run(t, vfstest.Config{
					Mount:   func(testing.TB) string { return m.Dir },
					NoHoles: name == "writeback", // only the kernel knows what is data, and says all is
				})
				m.Stop()
			})
		}
	}
}
