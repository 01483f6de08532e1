//go:build linux

package testmount

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// ProgramEnv names the environment variable with the path of a daemon to test instead of building one.
const ProgramEnv = "FASTFSD"

var built struct {
	once sync.Once
	dir  string // temporary, removed by Main
	path string
	err  error
}

// Main is the body of a TestMain: it refuses to run without root and /dev/fuse, and removes the built program at the end.
func Main(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if err := Check(); err != nil {
		fmt.Fprintln(os.Stderr, "testmount:", err)
		return 1
	}
	defer func() {
		if built.dir != "" {
			os.RemoveAll(built.dir)
		}
	}()
	return m.Run()
}

// Check says what a mount lacks on this machine, nil for nothing.
func Check() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("these tests mount file systems: run them as root")
	}
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("%w: load the fuse module, or give the container /dev/fuse", err)
	}
	return f.Close()
}

// Program returns the path of the daemon, built once for each test binary.
func Program(tb testing.TB) string {
	tb.Helper()
	built.once.Do(build)
	if built.err != nil {
		tb.Fatal(built.err)
	}
	return built.path
}

func build() {
	if built.path = os.Getenv(ProgramEnv); built.path != "" {
		_, built.err = os.Stat(built.path)
		return
	}
	if built.dir, built.err = os.MkdirTemp("", "fastfsd-build-"); built.err != nil {
		return
	}
	built.path = filepath.Join(built.dir, "fastfsd")
	cmd := exec.Command("go", "build", "-o", built.path, "github.com/fastfsd/fastfsd/cmd/fastfsd")
	if out, err := cmd.CombinedOutput(); err != nil {
		built.err = fmt.Errorf("building cmd/fastfsd: %w\n%s", err, out)
	}
}
