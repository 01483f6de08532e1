package nodefs_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/fastfsd/fastfsd/vfs/nodefs"
)

// environ is a directory with a file for each variable of the environment.
type environ struct{}

func (environ) Lookup(_ context.Context, name string) (nodefs.Node, error) {
	if _, ok := os.LookupEnv(name); !ok {
		return nil, fs.ErrNotExist
	}
	return variable(name), nil
}

func (environ) Readdir(context.Context) ([]nodefs.DirEntry, error) {
	var list []nodefs.DirEntry
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		list = append(list, nodefs.DirEntry{Name: name, Node: variable(name)})
	}
	return list, nil
}

// variable is a file. Two of the same name are equal, and so one inode.
type variable string

func (v variable) Getattr(context.Context) (nodefs.Attr, error) {
	return nodefs.Attr{Mode: 0o444, Size: int64(len(os.Getenv(string(v))) + 1)}, nil
}

func (v variable) Open(context.Context, int) (nodefs.File, error) {
	return strings.NewReader(os.Getenv(string(v)) + "\n"), nil
}

// A file system in fifty lines. Hand what New returns to a mount; here a pretended one stands for it.
func Example() {
	os.Setenv("GREETING", "hello")
	root := environ{}
	m := mount(nodefs.New(root, nodefs.Options{TTL: time.Second}))
	m.cat("GREETING")
	m.cat("NO_SUCH_VARIABLE")
	// Output:
	// hello
	// cat: NO_SUCH_VARIABLE: no such file or directory
}

// The ready-made nodes: a writable directory with a greeting for each caller.
func ExampleNewDir() {
	hello := nodefs.NewFunc(func(ctx context.Context) ([]byte, error) {
		who, _ := nodefs.Caller(ctx)
		return fmt.Appendf(nil, "hello, user %d\n", who.UID), nil
	})
	root := nodefs.NewDir().
		Add("hello", hello).
		Add("notes", nodefs.NewFile([]byte("buy milk\n"))).
		Add("link", nodefs.NewSymlink("notes")).
		Add("sub", nodefs.NewDir().Add("empty", nodefs.NewFile(nil)))
	m := mount(nodefs.New(root, nodefs.Options{}))
	m.cat("hello")
	m.cat("notes")
	// Output:
	// hello, user 1000
	// buy milk
}
