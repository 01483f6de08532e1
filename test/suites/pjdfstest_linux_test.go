package suites_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/internal/pjdfstest"
	"github.com/fastfsd/fastfsd/internal/testmount"
)

// TestPjdfstest runs the POSIX suite. It passes when nothing fails and nothing is skipped that runs natively.
func TestPjdfstest(t *testing.T) {
	native, out, err := runPjdfstest(t, testmount.Tmpfs(t), testmount.Output)
	if err != nil || native.Failed != 0 {
		t.Fatalf("the suite fails on tmpfs itself, so it can judge no mount: %v\n%s", err, pjdfstest.Failures(out))
	}
	overTransports(t, func(t *testing.T, m *testmount.Mount) {
		got, out, err := runPjdfstest(t, m.Dir, m.Output)
		if err != nil || got.Failed != 0 {
			t.Fatalf("%d of %d cases fail: %v\n%s", got.Failed, pjdfstest.Cases, err, pjdfstest.Failures(out))
		}
		sameSkips(t, native.Skips, got.Skips)
		t.Logf("%d passed, %d skipped as on tmpfs", got.Passed, got.Skipped)
	})
}

// runPjdfstest runs the suite in dir. The error tells of a run that did not end as a run of the suite does.
func runPjdfstest(t *testing.T, dir string, output func(testmount.Command) (string, error)) (pjdfstest.Result, string, error) {
	t.Helper()
	bin, err := filepath.Abs("../../.tools/bin/pjdfstest")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("%v: run scripts/pjdfstest.sh install", err)
	}
	conf, err := filepath.Abs("pjdfstest.toml")
	if err != nil {
		t.Fatal(err)
	}
	dir = pathForSuite(t, dir)
	out, runErr := output(testmount.Command{
		Args:  []string{bin, "-c", conf, "-p", dir, "-s", testmount.Tmpfs(t)},
		Env:   []string{"NO_COLOR=1", "RUST_BACKTRACE=0"},
		Limit: 5 * time.Minute,
	})
	r, err := pjdfstest.Parse(out)
	if err == nil && runErr != nil && r.Failed == 0 {
		err = runErr
	}
	if err != nil && runErr != nil {
		err = fmt.Errorf("%w (%w)", err, runErr)
	}
	return r, out, err
}

// pathForSuite returns dir or a folder below it. The suite builds a path of exactly PATH_MAX bytes from components of 127, below two
// temporary folders of 11, and its arithmetic wraps around where what it has to add is a multiple of 127.
func pathForSuite(t *testing.T, dir string) string {
	t.Helper()
	const pathMax, own, component = 4095, 22, 127
	for (pathMax-own-len(dir))%component < 2 {
		dir = filepath.Join(dir, "p")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
