package bench_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"

	"github.com/fastfsd/fastfsd/bench"
	"github.com/fastfsd/fastfsd/internal/testmount"
)

func TestMain(m *testing.M) {
	bench.Role()
	testmount.Main(m)
}

// TestEachKind runs each kind of job for a moment, our daemon against itself over another transport.
func TestEachKind(t *testing.T) {
	daemon := testmount.Program(t)
	t.Setenv("TMPDIR", t.TempDir()) // what the bench leaves behind is there, and nothing else
	var rows []bench.Row
	seen := map[bench.Kind]bool{}
	for _, r := range bench.Rows() {
		pick := !seen[r.Job.Kind] || r.Name == "slow-256" || r.Name == "seqread-128k-buffered"
		seen[r.Job.Kind] = true
		if !pick {
			continue
		}
		if r.B == bench.Gofuse {
			r.B = bench.Ours + ":blocking"
		}
		r.Job.Files, r.Job.Size, r.Job.Time = min(r.Job.Files, 300), min(r.Job.Size, 1<<20), min(r.Job.Time, 100*time.Millisecond)
		rows = append(rows, r)
	}
	rep, err := bench.Run(rows, bench.Options{Daemon: daemon, Pairs: 1, Time: 5 * time.Millisecond, AA: true})
	if err != nil {
		t.Fatal(err)
	}
	if c := rep.Host.Costs; c.Syscall <= 0 || c.WakeSame <= 0 || rep.Host.Kernel == "" {
		t.Errorf("%+v", rep.Host)
	}
	for i, l := range rep.Lines {
		if l.Err != "" || l.Row != rows[i].Name {
			t.Errorf("%v", l)
			continue
		}
		if len(l.A.Rates) != 1 || l.A.Rates[0] <= 0 || l.B.Rates[0] <= 0 || l.Ratio.Mid != l.A.Rates[0]/l.B.Rates[0] {
			t.Errorf("%+v", l)
		}
	}
	var text strings.Builder
	if err := rep.Write(&text); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text.String(), "\n|"); n != len(rows)+2 || !strings.HasPrefix(text.String(), "machine: ") {
		t.Errorf("a table of %d lines for %d rows:\n%s", n, len(rows), text.String())
	}
	left(t)
}

// TestFailures: a row that cannot run says why, the others run, and nothing stays behind.
func TestFailures(t *testing.T) {
	daemon := testmount.Program(t)
	t.Setenv("TMPDIR", t.TempDir()) // what the bench leaves behind is there, and nothing else
	job := bench.Job{Kind: bench.Storm, Threads: 1}
	rep, err := bench.Run([]bench.Row{
		{Name: "no-server", A: bench.Ours, B: "nobody", Job: job},
		{Name: "no-program", A: bench.Ours, B: bench.Gofuse, Job: job},
		{Name: "no-job", A: bench.Ours, B: bench.Ours, Job: bench.Job{Kind: "dance", Threads: 1}},
		{Name: "works", A: bench.Ours, B: bench.Ours, Job: job},
	}, bench.Options{Daemon: daemon, Gofuse: "/bin/false", Pairs: 1, Time: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"no such server", "before it had mounted", "unknown job", ""} {
		if got := rep.Lines[i].Err; !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %q, want %q", rep.Lines[i].Row, got, want)
		}
	}
	if _, err := bench.Run(nil, bench.Options{}); err == nil {
		t.Error("no rows are no error")
	}
	left(t)
}

// left fails if a mount of a bench is still there.
func left(t *testing.T) {
	t.Helper()
	if _, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) {
		if strings.HasPrefix(i.Mountpoint, os.TempDir()) {
			t.Errorf("left behind: %s (%s)", i.Mountpoint, i.FSType)
		}
		return true, false
	}); err != nil {
		t.Fatal(err)
	}
}

// TestRows: names are unique, and the goals that matter are there.
func TestRows(t *testing.T) {
	goals := map[string]float64{}
	for _, r := range bench.Rows() {
		if _, twice := goals[r.Name]; twice {
			t.Errorf("two rows are called %s", r.Name)
		}
		goals[r.Name] = r.Goal
	}
	for name, want := range map[string]float64{
		"storm-1": 1, "storm-2": 2.5, "storm-4": 2.5, "stat-cold": 1, "create": 1, "unlink": 1, "open-close": 1, "walk": 1,
		"randread-4k-1": 1, "randwrite-4k-4": 1, "seqread-1024k-buffered": 0.65, "seqwrite-128k-direct": 0.65,
		"slow-256": 0.95, "uring/blocking/storm-2": 1, "blocking/classic/storm-1": 1,
	} {
		if goals[name] != want {
			t.Errorf("%s: goal %v, want %v", name, goals[name], want)
		}
	}
}
