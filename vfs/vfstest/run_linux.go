package vfstest

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Config says where the suite runs and what the file system does not have. Cases that need it are left out.
type Config struct {
	// Mount gives a mounted, writable, empty directory; cases work in directories of their own below it. The caller
	// takes the mount down.
	Mount func(t testing.TB) string

	// ReadOnly: Mount gives the files of Tree instead, and nothing may be changed. The other switches do not count.
	ReadOnly bool

	NoLocks     bool // POSIX locks and flock are the kernel's own or missing
	NoXattr     bool
	NoMknod     bool
	NoLink      bool
	NoFallocate bool
	NoHoles     bool // SEEK_DATA and SEEK_HOLE see no holes
	NoTmpfile   bool
	NoExchange  bool // RENAME_EXCHANGE
	NoChown     bool
	NoCopy      bool // copy_file_range

	// What some kernels do not do.
	NoInterrupt  bool // a request is not interrupted, as none of virtio-fs is
	NoSuppGroups bool // the server is not told of the caller's supplementary groups, before Linux 6.3
}

// testCase is one property; need says whether the file system has what it takes.
type testCase struct {
	name string
	lack func(c *Config) bool
	run  func(t *testing.T, dir string)
}

// Run runs all cases as subtests, one after another.
func Run(t *testing.T, c Config) {
	root := c.Mount(t)
	if c.ReadOnly {
		for _, tc := range readOnlyCases {
			t.Run(tc.name, func(t *testing.T) { tc.run(t, root) })
		}
		return
	}
	for _, group := range [][]testCase{nameCases, changeCases, fileCases, rangeCases, attrCases, lockCases} {
		for _, tc := range group {
			if tc.lack != nil && tc.lack(&c) {
				continue
			}
			t.Run(tc.name, func(t *testing.T) {
				dir := filepath.Join(root, strings.ReplaceAll(tc.name, " ", "-"))
				must(t, os.Mkdir(dir, 0o755))
				tc.run(t, dir)
				must(t, os.RemoveAll(dir))
			})
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails unless err is the errno.
func want(t *testing.T, what string, err error, errno syscall.Errno) {
	t.Helper()
	var e syscall.Errno
	if !asErrno(err, &e) || e != errno {
		t.Errorf("%s: %v, want %v", what, err, errno)
	}
}

func write(t *testing.T, path, data string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(data), 0o644))
}

func read(t *testing.T, path, data string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || string(b) != data {
		t.Errorf("%s: %.40q, %v, want %.40q", filepath.Base(path), b, err, data)
	}
}

func stat(t *testing.T, path string) *syscall.Stat_t {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		t.Fatal(path, err)
	}
	return &st
}
