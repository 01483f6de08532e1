package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Run runs rows one after another. A row that fails is in the report with its error; the error of Run says that nothing could be run, or
// that something was left behind.
func Run(rows []Row, o Options) (_ *Report, err error) {
	o.defaults()
	if len(rows) == 0 {
		return nil, errors.New("bench: no row has such a name")
	}
	r := &runner{Options: o}
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer func() { err = errors.Join(err, r.close()) }()
	rep := &Report{Date: time.Now().UTC().Truncate(time.Second), Host: thisHost(), Pairs: o.Pairs, Time: o.Time}
	res, err := r.client.do(Job{Kind: Machine}, func() {})
	if err != nil {
		return nil, fmt.Errorf("bench: machine: %w", err)
	}
	rep.Host.Costs = *res.Costs
	fmt.Fprintln(o.Progress, rep.Host)
	for _, row := range rows {
		l := r.row(row)
		fmt.Fprintln(o.Progress, l)
		rep.Lines = append(rep.Lines, l)
	}
	return rep, nil
}

// runner is the state of a Run.
type runner struct {
	Options
	src    string // the tmpfs that all servers serve
	client *remote
	serial int // of the last folder in src
}

func (r *runner) open() (err error) {
	if r.src, err = os.MkdirTemp("", "fsbench-src-"); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", r.src, "tmpfs", 0, "mode=755,size=2g,huge=never"); err != nil {
		os.Remove(r.src)
		return fmt.Errorf("mount tmpfs on %s: %w: run as root", r.src, err)
	}
	if r.client, err = startClient(); err != nil {
		return errors.Join(err, r.unmount())
	}
	return nil
}

func (r *runner) close() error { return errors.Join(r.client.stop(), r.unmount()) }

func (r *runner) unmount() error {
	if err := unix.Unmount(r.src, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("bench: umount %s: %w", r.src, err)
	}
	return os.Remove(r.src)
}

// contest is a row while it runs.
type contest struct {
	*runner
	row   Row
	names []string // of the servers: A, B and, for the spread, A again
	up    []*server
	path  string // of the job's file or tree below the mounts, if one serves all runs
	sides []Side
	ops   []int64
	cpu   []time.Duration
}

// row runs one row.
func (r *runner) row(row Row) Line {
	if row.Job.Time == 0 {
		row.Job.Time = r.Time
	}
	c := &contest{runner: r, row: row, names: []string{row.A, row.B}}
	if r.AA {
		c.names = append(c.names, row.A)
	}
	c.sides, c.ops, c.cpu = make([]Side, len(c.names)), make([]int64, len(c.names)), make([]time.Duration, len(c.names))
	err := c.run()
	stopErr := stopAll(c.up)
	if err != nil { // perhaps a server knows why
		for _, s := range c.up {
			if out := bytes.TrimSpace(s.out.Bytes()); len(out) > 0 {
				err = fmt.Errorf("%w; %s: %s", err, s.name, out)
			}
		}
	}
	err = errors.Join(err, stopErr)
	if c.path != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Join(r.src, c.path)))
	}
	return c.line(err)
}

func (c *contest) run() error {
	if err := c.material(); err != nil {
		return err
	}
	for pair := -1; pair < c.Pairs; pair++ { // the first one warms up
		if err := c.mounts(); err != nil {
			return err
		}
		for k := range c.names {
			i := (k + pair + 1) % len(c.names)
			if err := c.one(i, pair >= 0); err != nil {
				return fmt.Errorf("%s: %w", c.names[i], err)
			}
		}
	}
	return nil
}

// material makes what all runs of the row can use.
func (c *contest) material() (err error) {
	j := c.row.Job
	switch j.Kind {
	case Create, Unlink: // each run has its own
		return nil
	case Stat, Open, Walk:
		c.path, err = c.tree(false)
		return err
	}
	if strings.HasPrefix(c.row.A, Slow+":") { // it has its own file
		return nil
	}
	c.path = c.next()
	return makeFile(filepath.Join(c.src, c.path), max(j.Size, 4*kib))
}

func (c *contest) next() string {
	c.serial++
	return fmt.Sprintf("w%d", c.serial)
}

func (c *contest) tree(bare bool) (string, error) {
	name := c.next()
	return name, makeTree(filepath.Join(c.src, name), c.row.Job.Files, bare)
}

// mounts makes the servers ready for a pair.
func (c *contest) mounts() error {
	if len(c.up) > 0 && !c.row.Fresh {
		return nil
	}
	err := stopAll(c.up)
	c.up = nil
	if err != nil {
		return err
	}
	for _, name := range c.names {
		s, err := c.startServer(name, c.src)
		if err != nil {
			return err
		}
		c.up = append(c.up, s)
	}
	return nil
}

// one is one run on one server.
func (c *contest) one(i int, counts bool) error {
	s, j, path := c.up[i], c.row.Job, c.path
	switch {
	case j.Kind == Create || j.Kind == Unlink:
		var err error
		if path, err = c.tree(j.Kind == Create); err != nil {
			return err
		}
		defer os.RemoveAll(filepath.Join(c.src, path))
	case path == "":
		path = slowName
	}
	j.Path = filepath.Join(s.dir, path)
	before := s.cpu()
	res, err := c.client.do(j, s.abort)
	if err != nil || !counts {
		return err
	}
	c.cpu[i] += s.cpu() - before
	c.ops[i] += res.Ops
	c.sides[i].Rates = append(c.sides[i].Rates, res.Rate)
	return nil
}

// line makes the report's line of what was measured.
func (c *contest) line(err error) Line {
	l := Line{Row: c.row.Name, Request: c.row.Job.Request, Goal: c.row.Goal, AA: c.AA}
	for i := range c.sides {
		s := &c.sides[i]
		s.Server, s.Median = c.names[i], 0
		if c.ops[i] > 0 {
			s.Median, s.CPU = Median(s.Rates), c.cpu[i].Seconds()*1e6/float64(c.ops[i])
		}
	}
	l.A, l.B = c.sides[0], c.sides[1]
	if err != nil {
		l.Err = err.Error()
		return l
	}
	l.Ratio = Bootstrap(ratios(l.A.Rates, l.B.Rates), c.Seed)
	if c.AA {
		l.Spread = Spread(Bootstrap(ratios(l.A.Rates, c.sides[2].Rates), c.Seed))
	}
	l.Verdict = Judge(l.Ratio, l.Goal, l.Spread)
	return l
}

func ratios(a, b []float64) []float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = a[i] / b[i]
	}
	return r
}
