package bench

import (
	"io"
	"time"
)

// Options say how rows are run.
type Options struct {
	Daemon string // path of fastfsd
	Gofuse string // path of the go-fuse peer

	Pairs int           // per row; 0: 15
	Time  time.Duration // of one run; 0: 250 ms
	AA    bool          // run the first server against itself too, for the spread
	Seed  uint64        // of the bootstrap

	Progress io.Writer // a line for each row as it is done; nil: none
}

func (o *Options) defaults() {
	if o.Pairs == 0 {
		o.Pairs = 15
	}
	if o.Time == 0 {
		o.Time = 250 * time.Millisecond
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
}
