package bench

import (
	"fmt"
	"slices"
	"time"
)

// Row compares two servers at one job. Of the job, Path is left open and Time 0 stands for Options.Time.
type Row struct {
	Name  string
	A, B  string  // servers, see Options.Servers
	Goal  float64 // wanted of A's rate over B's; 0: none
	Fresh bool    // mount anew for each pair
	Job   Job
}

// The servers of the rows below.
const (
	Ours   = "fastfsd" // with a transport behind a colon: "fastfsd:classic"
	Gofuse = "go-fuse"
	Slow   = "slow" // the slow back-end, with a transport likewise
)

const (
	treeFiles = 20000
	fileSize  = 64 << 20
	kib       = 1 << 10
)

func metadata() []Row {
	rows := []Row{}
	for _, n := range []int{1, 2, 4} {
		goal := 2.5
		if n == 1 {
			goal = 1
		}
		rows = append(rows, Row{Name: fmt.Sprintf("storm-%d", n), Goal: goal, Job: Job{Kind: Storm, Threads: n}})
	}
	tree := func(name string, k Kind, fresh bool, files int) Row {
		return Row{Name: name, Goal: 1, Fresh: fresh, Job: Job{Kind: k, Threads: 1, Files: files}}
	}
	return append(rows,
		tree("stat-cold", Stat, true, treeFiles),
		tree("create", Create, false, treeFiles),
		tree("unlink", Unlink, false, treeFiles/2),
		tree("open-close", Open, false, 1000),
		tree("walk", Walk, true, treeFiles))
}

func data() []Row {
	var rows []Row
	for _, k := range []Kind{Read, Write} {
		for _, n := range []int{1, 4} {
			rows = append(rows, Row{
				Name: fmt.Sprintf("rand%s-4k-%d", k, n), Goal: 1,
				Job: Job{Kind: k, Threads: n, Request: 4 * kib, Size: fileSize, Direct: true, Random: true},
			})
		}
	}
	for _, k := range []Kind{Read, Write} {
		for _, size := range []int{128 * kib, 1024 * kib} {
			for _, direct := range []bool{true, false} {
				how := "buffered"
				if direct {
					how = "direct"
				}
				rows = append(rows, Row{
					Name: fmt.Sprintf("seq%s-%dk-%s", k, size/kib, how), Goal: 0.65,
					Job: Job{Kind: k, Threads: 1, Request: size, Size: fileSize, Direct: direct},
				})
			}
		}
	}
	return rows
}

// transportJobs are the rows whose jobs are compared from transport to transport.
var transportJobs = []string{"storm-1", "storm-2", "storm-4", "open-close", "randread-4k-1", "randread-4k-4", "seqread-128k-direct"}

// transports back the automatic choice: it takes the first of {uring, blocking} that the kernel has.
func transports(all []Row) []Row {
	var rows []Row
	for _, pair := range [][2]string{{"uring", "blocking"}, {"uring", "classic"}, {"blocking", "classic"}} {
		for _, r := range all {
			if slices.Contains(transportJobs, r.Name) {
				rows = append(rows, Row{
					Name: pair[0] + "/" + pair[1] + "/" + r.Name, A: Ours + ":" + pair[0], B: Ours + ":" + pair[1],
					Goal: 1, Fresh: r.Fresh, Job: r.Job,
				})
			}
		}
	}
	return rows
}

// Rows are all rows, in the order of the report.
func Rows() []Row {
	rows := append(metadata(), data()...)
	for i := range rows {
		rows[i].A, rows[i].B = Ours, Gofuse
	}
	return append(append(rows, transports(rows)...), Row{
		Name: "slow-256", A: Slow + ":auto", B: Slow + ":classic", Goal: 0.95,
		// long enough for every reader to be served ten times
		Job: Job{Kind: Read, Threads: 256, Request: 4 * kib, Size: slowSize, Random: true, Waits: true, Time: 10 * slowDelay},
	})
}

// The slow back-end's file and how long each of its READs takes.
const (
	slowSize  = 1 << 20
	slowDelay = 50 * time.Millisecond
)
