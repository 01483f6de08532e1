//go:build linux

package passthrough_test

import (
	"testing"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/passthrough"
	"github.com/fastfsd/fastfsd/vfs"
	"github.com/fastfsd/fastfsd/vfs/vfstest"
)

// TestMessages: what a hostile peer may send, over a directory on the disk and one in memory.
func TestMessages(t *testing.T) {
	for _, dir := range []string{"", "/dev/shm"} {
		t.Run(dir, func(t *testing.T) {
			vfstest.Messages(t, func(t testing.TB) *vfs.Conn {
				fs, err := passthrough.New(shareIn(t, dir), passthrough.Defaults())
				if err != nil {
					t.Fatal(err)
				}
				c, err := vfs.NewConn(vfs.Resolve(fs), vfs.Options{
					Poison:  true,
					OnPanic: func(op abi.Opcode, v any, stack []byte) { t.Errorf("%v: panic: %v\n%s", op, v, stack) },
				})
				if err != nil {
					t.Fatal(err)
				}
				return c
			})
		})
	}
}
