package bench

import "time"

// Kind is what a job does.
type Kind string

const (
	Storm   Kind = "storm"   // statx that asks the server each time (AT_STATX_FORCE_SYNC): one GETATTR each
	Stat    Kind = "stat"    // one lstat for each file of the tree, names never seen before: one LOOKUP each
	Create  Kind = "create"  // create and close new files
	Unlink  Kind = "unlink"  // remove the files of the tree: LOOKUP and UNLINK each
	Open    Kind = "open"    // open and close, around the tree
	Walk    Kind = "walk"    // list the tree and lstat each entry
	Read    Kind = "read"    // read a file
	Write   Kind = "write"   // write a file over
	Machine Kind = "machine" // measure the machine instead: Result.Costs
)

// Job is a piece of work for the client process: Threads do it until Time is over or nothing is left.
type Job struct {
	Kind    Kind          `json:"kind"`
	Path    string        `json:"path"` // of the file, or of the tree's folder
	Threads int           `json:"threads"`
	Time    time.Duration `json:"time"`

	Files int `json:"files,omitempty"` // in the tree

	Request int  `json:"request,omitempty"` // bytes of a read or write
	Size    int  `json:"size,omitempty"`    // bytes of the file, a multiple of Request
	Direct  bool `json:"direct,omitempty"`  // O_DIRECT
	Random  bool `json:"random,omitempty"`  // offsets at random, instead of one pass after another
	Waits   bool `json:"waits,omitempty"`   // each request takes long: threads wait in the scheduler's sight
}

// Result is what a job did.
type Result struct {
	Ops   int64   `json:"ops"`
	Rate  float64 `json:"rate"` // ops/s: the sum of the threads' own rates
	Err   string  `json:"err,omitempty"`
	Costs *Costs  `json:"costs,omitempty"`
}

// Costs are what the machine takes for the things that serving is made of, in ns. No figure of a file server means much without.
type Costs struct {
	Syscall   float64 `json:"syscall_ns"`    // getppid
	WakeSame  float64 `json:"wake_same_ns"`  // a byte through a pipe to another thread on the same CPU and back
	WakeCross float64 `json:"wake_cross_ns"` // the same with the threads on two CPUs; 0 with one CPU
}
