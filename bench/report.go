package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Side is what one server did in a row.
type Side struct {
	Server string    `json:"server"`
	Rates  []float64 `json:"rates"`     // ops/s, one for each pair
	Median float64   `json:"median"`    // of Rates
	CPU    float64   `json:"cpu_us_op"` // the server's CPU time per operation, in µs
}

// Line is a row that has run.
type Line struct {
	Row     string   `json:"row"`
	Request int      `json:"request,omitempty"` // bytes of one operation, where it moves data
	A       Side     `json:"a"`
	B       Side     `json:"b"`
	Ratio   Interval `json:"ratio"`
	AA      bool     `json:"aa"`     // a run against itself was made
	Spread  float64  `json:"spread"` // of that run
	Goal    float64  `json:"goal,omitempty"`
	Verdict Verdict  `json:"verdict,omitempty"`
	Err     string   `json:"err,omitempty"` // why the row has no figures
}

// Report is all that came out.
type Report struct {
	Date  time.Time     `json:"date"`
	Host  Host          `json:"host"`
	Pairs int           `json:"pairs"`
	Time  time.Duration `json:"time"`
	Lines []Line        `json:"lines"`
}

// String is the line that is shown while a bench runs.
func (l Line) String() string {
	if l.Err != "" {
		return l.Row + ": " + l.Err
	}
	return fmt.Sprintf("%s: %.2f [%.2f, %.2f] %s", l.Row, l.Ratio.Mid, l.Ratio.Lo, l.Ratio.Hi, l.Verdict)
}

// Write prints the report as Markdown.
func (r *Report) Write(w io.Writer) error {
	fmt.Fprintf(w, "%v\n%d pairs of %v\n\n", r.Host, r.Pairs, r.Time)
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| row\t| A\t| B\t| A/B\t| 95 %\t| spread\t| CPU µs/op, A and B\t| goal\t| verdict\t|")
	fmt.Fprintln(t, "| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|")
	for _, l := range r.Lines {
		if l.Err != "" {
			fmt.Fprintf(t, "| %s\t| %s\t| %s\t| failed\t|\t|\t|\t|\t| %s\t|\n", l.Row, l.A.Server, l.B.Server, strings.ReplaceAll(l.Err, "\n", " "))
			continue
		}
		spread, goal := "", ""
		if l.AA {
			spread = fmt.Sprintf("%.2f", l.Spread)
		}
		if l.Goal != 0 {
			goal = fmt.Sprintf("≥ %.2f", l.Goal)
		}
		fmt.Fprintf(t, "| %s\t| %s %s\t| %s %s\t| %.2f\t| %.2f–%.2f\t| %s\t| %.1f, %.1f\t| %s\t| %s\t|\n",
			l.Row, l.A.Server, l.rate(l.A.Median), l.B.Server, l.rate(l.B.Median),
			l.Ratio.Mid, l.Ratio.Lo, l.Ratio.Hi, spread, l.A.CPU, l.B.CPU, goal, l.Verdict)
	}
	return t.Flush()
}

// rate is thousands of operations a second, or the bytes that large requests move.
func (l Line) rate(ops float64) string {
	if l.Request >= 64*kib {
		return fmt.Sprintf("%.2f GB/s", ops*float64(l.Request)/1e9)
	}
	if ops < 10000 {
		return fmt.Sprintf("%.2fk", ops/1e3)
	}
	return fmt.Sprintf("%.0fk", ops/1e3)
}
