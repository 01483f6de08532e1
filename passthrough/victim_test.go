//go:build linux

package passthrough_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/passthrough"
	"github.com/fastfsd/fastfsd/vfs"
	"github.com/fastfsd/fastfsd/vfs/vfstest"
)

// TestOpenAfterTheNameIsGone: a client that has found a name can open the file although it removes or replaces the name meanwhile.
func TestOpenAfterTheNameIsGone(t *testing.T) {
	for _, dir := range []string{"", "/dev/shm"} {
		for _, how := range []string{"unlink", "rename"} {
			t.Run(dir+how, func(t *testing.T) {
				share := shareIn(t, dir)
				for _, name := range []string{"f", "other"} {
					if err := os.WriteFile(filepath.Join(share, name), []byte("in "+name), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				fs, err := passthrough.New(share, passthrough.Defaults())
				if err != nil {
					t.Fatal(err)
				}
				c, err := vfs.NewConn(vfs.Resolve(fs), vfs.Options{})
				if err != nil {
					t.Fatal(err)
				}
				p := vfstest.NewPeer(t, c)
				_, node := p.Lookup(abi.RootID, "f")
				if how == "unlink" {
					p.Send(abi.OpUnlink, abi.RootID, vfstest.CString("f"))
				} else {
					p.Send(abi.OpRename, abi.RootID, abi.Bytes(&abi.RenameIn{NewDir: abi.RootID}), vfstest.CString("other"), vfstest.CString("f"))
				}
				e, b := p.Send(abi.OpOpen, node, abi.Bytes(&abi.OpenIn{}))
				var out abi.OpenOut
				if e != vfs.OK || !abi.Decode(&out, b) {
					t.Fatal("OPEN:", e)
				}
				if e, b := p.Send(abi.OpRead, node, abi.Bytes(&abi.ReadIn{Fh: out.Fh, Size: 100})); e != vfs.OK || string(b) != "in f" {
					t.Errorf("READ: %v, %q", e, b)
				}
				p.Release(node, out.Fh)
				p.Forget(node, 1)
				c.Shutdown()
				<-c.Done()
			})
		}
	}
}
