package suites_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

// pjdfstestCases is how many cases the version has that scripts/pjdfstest.sh installs.
const pjdfstestCases = 398

// pjdfstestResult is what one run says.
type pjdfstestResult struct {
	failed, skipped, passed int
	skips                   []string // names of the cases
}

// TestPjdfstest runs the POSIX suite. It passes when nothing fails and nothing is skipped that runs natively.
func TestPjdfstest(t *testing.T) {
	native, out, err := pjdfstest(t, testmount.Tmpfs(t), testmount.Output)
	if err != nil || native.failed != 0 {
		t.Fatalf("the suite fails on tmpfs itself, so it can judge no mount: %v\n%s", err, failures(out))
	}
	overTransports(t, func(t *testing.T, m *testmount.Mount) {
		got, out, err := pjdfstest(t, m.Dir, m.Output)
		if err != nil || got.failed != 0 {
			t.Fatalf("%d of %d cases fail: %v\n%s", got.failed, pjdfstestCases, err, failures(out))
		}
		sameSkips(t, native.skips, got.skips)
		t.Logf("%d passed, %d skipped as on tmpfs", got.passed, got.skipped)
	})
}

// pjdfstest runs the suite in dir. The error tells of a run that did not end as a run of the suite does.
func pjdfstest(t *testing.T, dir string, output func(testmount.Command) (string, error)) (pjdfstestResult, string, error) {
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
	r, err := parsePjdfstest(out)
	if err == nil && runErr != nil && r.failed == 0 {
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

var pjdfstestSummary = regexp.MustCompile(`(?m)^Summary: (\d+) failed, (\d+) skipped, (\d+) passed, (\d+) expected failures, (\d+) total$`)

func parsePjdfstest(out string) (pjdfstestResult, error) {
	m := pjdfstestSummary.FindStringSubmatch(out)
	if m == nil {
		return pjdfstestResult{}, fmt.Errorf("the suite printed no summary")
	}
	var n [5]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1]) // digits, by the expression
	}
	r := pjdfstestResult{failed: n[0], skipped: n[1], passed: n[2]}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 2 && f[1] == "skipped" && !strings.HasPrefix(line, "\t") {
			r.skips = append(r.skips, f[0])
		}
	}
	switch {
	case n[4] != pjdfstestCases:
		return r, fmt.Errorf("the suite ran %d cases, want %d", n[4], pjdfstestCases)
	case n[3] != 0:
		return r, fmt.Errorf("%d failures count as expected; none is", n[3])
	case len(r.skips) != r.skipped:
		return r, fmt.Errorf("%d skipped cases found in the output, the summary says %d", len(r.skips), r.skipped)
	}
	return r, nil
}

// failures returns the lines about cases that failed, with what each of them says.
func failures(out string) string {
	var b strings.Builder
	var show bool
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "\t") {
			f := strings.Fields(line)
			show = len(f) == 2 && f[1] == "FAILED"
		}
		if show {
			b.WriteString(line)
		}
	}
	if b.Len() == 0 {
		return out[max(0, len(out)-4096):]
	}
	return b.String()
}

func TestParsePjdfstest(t *testing.T) {
	const head = "chmod::a  ok\nlink::b  skipped\n\twhy\nopen::c  FAILED\n\tassertion\nrename::d  ok\n\n"
	r, err := parsePjdfstest(head + "Summary: 1 failed, 1 skipped, 396 passed, 0 expected failures, 398 total\n")
	if err != nil || r.failed != 1 || r.passed != 396 || len(r.skips) != 1 || r.skips[0] != "link::b" {
		t.Errorf("got %+v, %v", r, err)
	}
	if got := failures(head); got != "open::c  FAILED\n\tassertion\n" {
		t.Errorf("failures: %q", got)
	}
	for _, bad := range []string{
		head,
		"Summary: 0 failed, 0 skipped, 1 passed, 0 expected failures, 1 total\n",
		"Summary: 0 failed, 14 skipped, 384 passed, 0 expected failures, 398 total\n",
		head + "Summary: 0 failed, 1 skipped, 396 passed, 1 expected failures, 398 total\n",
	} {
		if _, err := parsePjdfstest(bad); err == nil {
			t.Errorf("accepted: %q", bad)
		}
	}
}
