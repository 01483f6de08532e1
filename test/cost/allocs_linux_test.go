package cost

import (
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	workers  = 4      // client processes
	names    = 20_000 // files to look at and forget
	newFiles = 10_000 // of one CREATE or UNLINK
	tries    = 8      // of a phase; what is still being made for the first time is not made for each request
)

// phases are what the clients do, and how often. Short ones allow for few objects: that is why most are long.
var phases = []struct {
	job    string
	n      int
	opcode string // of which at least nine tenths of n come: now and then a cache has the answer
}{
	{"GETATTR", 300_000, "GETATTR"},
	{"LOOKUP", 120_000, "LOOKUP"},
	{"FORGET", names, "LOOKUP"},
	{"OPEN", 40_000, "OPEN"},
	{"READ", 120_000, "READ"},
	{"READ-O_DIRECT", 40_000, "READ"},
	{"WRITE", 100_000, "WRITE"},
	{"READDIRPLUS", 50_000, "READDIRPLUS"},
	{"CREATE", newFiles, "CREATE"},
	{"UNLINK", newFiles, "UNLINK"},
}

// TestAllocations: a server in its stride allocates nothing for a request: less than a byte, less than an object in 10,000.
func TestAllocations(t *testing.T) {
	transports := []string{"auto"}
	if all() {
		transports = []string{"uring", "classic", "blocking"}
	}
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			src := t.TempDir()
			if err := plant(src); err != nil {
				t.Fatal(err)
			}
			l := &load{server: start(t, transport, src)}
			total := uint64(0)
			for _, p := range phases {
				l.atOnce = true
				l.phase(p.job, min(p.n, names)) // tables and pools grow
				l.atOnce = false
				r := l.quiet(p.job, p.n)
				total += r.Requests
				if r.Count[p.opcode] < uint64(p.n)*9/10 {
					t.Errorf("%s: only %v", p.job, r.Count)
				}
			}
			if total < 1_000_000 {
				t.Errorf("%d requests in all", total)
			}
		})
	}
}

// load is clients at work.
type load struct {
	*server
	left   int  // rounds of CREATE that were not removed again
	atOnce bool // the server stands still while the kernel forgets: it gets as long a list as there can be
}

// quiet repeats a phase until it does what is demanded.
func (l *load) quiet(job string, n int) (r report) {
	l.t.Helper()
	for range tries {
		began := time.Now()
		r = l.phase(job, n)
		l.t.Logf("%-13s %6d requests %7d bytes %3d objects %5.2f s  %v", job, r.Requests, r.Bytes, r.Objects, time.Since(began).Seconds(), r.Count)
		if r.Bytes < r.Requests && r.Objects*10_000 < r.Requests {
			return r
		}
	}
	l.t.Errorf("%s: %d bytes in %d objects for %d requests, in the last of %d tries; %s=DIR leaves a profile for each: go tool pprof -sample_index=alloc_objects -base DIR/%d DIR/%d",
		job, r.Bytes, r.Objects, r.Requests, tries, profileEnv, r.Mark-1, r.Mark)
	return r
}

// phase has the workers do a job, and the kernel forget what they have seen.
func (l *load) phase(job string, n int) report {
	l.t.Helper()
	if job == "UNLINK" {
		if l.left == 0 {
			l.phase("CREATE", n)
		}
		l.left--
	}
	cmds := make([]*exec.Cmd, workers)
	for i := range cmds {
		c := client(job, l.dir, i, n/workers, l.left)
		if err := c.Start(); err != nil {
			l.t.Fatal(err)
		}
		cmds[i] = c
	}
	if job == "CREATE" {
		l.left++
	}
	for _, c := range cmds {
		if err := c.Wait(); err != nil {
			l.t.Errorf("%s: a client ended with %v", job, err)
		}
	}
	l.forget()
	return l.mark()
}

// forget has the client's kernel drop the names that nobody uses: a remount does that.
func (l *load) forget() {
	l.t.Helper()
	if l.atOnce {
		l.signal(unix.SIGSTOP)
	}
	err := unix.Mount("", l.dir, "", unix.MS_REMOUNT, "")
	if l.atOnce {
		l.signal(unix.SIGCONT)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	for deadline := time.Now().Add(stopLimit); l.nodes() > names/100; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("the kernel still knows %d nodes", l.nodes())
		}
	}
}

func (l *load) signal(sig unix.Signal) {
	l.t.Helper()
	if err := unix.Kill(l.pid, sig); err != nil {
		l.t.Fatal(err)
	}
}
