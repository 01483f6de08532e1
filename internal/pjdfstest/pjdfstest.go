// Package pjdfstest reads what the POSIX suite prints that scripts/pjdfstest.sh builds. For tests only.
package pjdfstest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Cases is how many cases the version has that the script installs.
const Cases = 398

// Result is what one run says.
type Result struct {
	Failed, Skipped, Passed int
	Skips                   []string // names of the skipped cases
}

var summary = regexp.MustCompile(`(?m)^Summary: (\d+) failed, (\d+) skipped, (\d+) passed, (\d+) expected failures, (\d+) total$`)

// Parse reads a run's output. The error tells of a run that did not end as a run of the suite does.
func Parse(out string) (Result, error) {
	m := summary.FindStringSubmatch(out)
	if m == nil {
		return Result{}, fmt.Errorf("the suite printed no summary")
	}
	var n [5]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1]) // digits, by the expression
	}
	r := Result{Failed: n[0], Skipped: n[1], Passed: n[2]}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 2 && f[1] == "skipped" && !strings.HasPrefix(line, "\t") {
			r.Skips = append(r.Skips, f[0])
		}
	}
	switch {
	case n[4] != Cases:
		return r, fmt.Errorf("the suite ran %d cases, want %d", n[4], Cases)
	case n[3] != 0:
		return r, fmt.Errorf("%d failures count as expected; none is", n[3])
	case len(r.Skips) != r.Skipped:
		return r, fmt.Errorf("%d skipped cases found in the output, the summary says %d", len(r.Skips), r.Skipped)
	}
	return r, nil
}

// Failures returns the lines about cases that failed, with what each of them says; the end of the output if there are none.
func Failures(out string) string {
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
