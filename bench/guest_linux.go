package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vring/driver"
)

// guestServers are the daemons that a row compares: ours with its defaults and with an open descriptor for each inode, and
// the peer in all the ways that may be its best.
var guestServers = []struct {
	name string
	args []string
}{
	{"fastfsd", nil},
	{"fastfsd, fds", []string{"--inode-file-handles", "never"}},
	{"virtiofsd", nil},
	{"virtiofsd, fds", []string{"--inode-file-handles=never"}},
	{"virtiofsd, fds, pool 4", []string{"--inode-file-handles=never", "--thread-pool-size=4"}},
	{"virtiofsd, fds, pool 16", []string{"--inode-file-handles=never", "--thread-pool-size=16"}},
}

const (
	guestMaxDepth = 64
	guestPayload  = 1 << 20
	guestFiles    = 500 // in the directory that is listed
	ourServers    = 2   // of guestServers
)

// guest is a server with a driver and its client.
type guest struct {
	name   string
	cmd    *exec.Cmd
	out    bytes.Buffer
	driver *driver.Driver
	client *driver.Client
	file   abi.EntryOut // of fileSize bytes, open as fh
	fh     uint64
	list   abi.EntryOut // the directory, open as listFh
	listFh uint64
	line   []float64 // rates, one for each round
	ops    int64
	cpu    time.Duration
}

// Guests compares the daemon with virtiofsd on one share, through a driver without a virtual machine: the rows are kinds
// of requests times depths; each round runs every server for a short time, in turn.
func Guests(peer string, match func(name string) bool, o Options) (rep *Report, err error) {
	o.defaults()
	dir, err := os.MkdirTemp("", "fsbench-guest-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	share := filepath.Join(dir, "share")
	if err := guestShare(share); err != nil {
		return nil, err
	}
	var all []*guest
	defer func() {
		for _, g := range all {
			err = errors.Join(err, g.stop())
		}
	}()
	for i, s := range guestServers {
		g := &guest{name: s.name}
		all = append(all, g)
		socket := filepath.Join(dir, fmt.Sprintf("s%d", i))
		if i < ourServers {
			g.cmd = exec.Command(o.Daemon, append([]string{"serve", "--share", "bench=" + share, "--socket", socket, "--log-level", "warn", "--no-persist"}, s.args...)...)
		} else {
			g.cmd = exec.Command(peer, append([]string{"--shared-dir", share, "--socket-path", socket, "--sandbox", "none", "--seccomp", "none", "--cache", "auto"}, s.args...)...)
		}
		if err := g.start(socket); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	rep = &Report{Date: time.Now().UTC().Truncate(time.Second), Host: thisHost(), Pairs: o.Pairs, Time: o.Time}
	for _, r := range guestRows() {
		for _, depth := range []int{1, 8, guestMaxDepth} {
			name := fmt.Sprintf("guest-%s-%d", r.name, depth)
			if !match(name) {
				continue
			}
			for _, l := range guestRow(name, r, depth, all, &o) {
				fmt.Fprintln(o.Progress, l)
				rep.Lines = append(rep.Lines, l)
			}
		}
	}
	return rep, nil
}

// guestShare makes what is served.
func guestShare(share string) error {
	if err := os.MkdirAll(filepath.Join(share, "list"), 0o755); err != nil {
		return err
	}
	for i := range guestFiles {
		if err := os.WriteFile(filepath.Join(share, "list", fmt.Sprintf("entry-%d", i)), nil, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(share, "file"), make([]byte, fileSize), 0o644)
}

// start starts the server and prepares its client.
func (g *guest) start(socket string) error {
	g.cmd.Stdout, g.cmd.Stderr = &g.out, &g.out
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := g.cmd.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(startLimit); ; time.Sleep(pollEvery) {
		var err error
		if g.driver, err = driver.Dial(socket, driver.Config{Size: 1024, EventIdx: true, Indirect: true}); err == nil {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w\n%s", err, g.out.String())
		}
	}
	c, err := driver.NewClient(g.driver, 1, guestMaxDepth, guestPayload)
	if err != nil {
		return err
	}
	c.Limit = stopLimit
	g.client = c
	if _, err := c.Init(abi.InitIn{MaxReadahead: 1 << 20, Flags: uint32(abi.InitBigWrites | abi.InitMaxPages | abi.InitAsyncRead | abi.InitDoReaddirplus)}); err != nil {
		return err
	}
	for _, x := range []struct {
		name string
		op   abi.Opcode
		e    *abi.EntryOut
		fh   *uint64
	}{{"file", abi.OpOpen, &g.file, &g.fh}, {"list", abi.OpOpendir, &g.list, &g.listFh}} {
		if *x.e, err = c.Lookup(abi.RootID, x.name); err != nil {
			return err
		}
		flags := uint32(unix.O_RDWR)
		if x.op == abi.OpOpendir {
			flags = unix.O_DIRECTORY
		}
		o, err := c.Open(x.op, x.e.NodeID, flags)
		if err != nil {
			return err
		}
		*x.fh = o.Fh
	}
	return nil
}

func (g *guest) stop() error {
	if g.driver != nil {
		if err := g.driver.Close(); err != nil {
			return err
		}
	}
	if g.cmd.Process == nil {
		return nil
	}
	late := time.AfterFunc(stopLimit, func() { _ = g.cmd.Process.Kill() })
	defer late.Stop()
	_ = g.cmd.Process.Signal(unix.SIGTERM) // the last front-end of both has gone: they are ending
	_ = g.cmd.Wait()
	return nil
}

// guestRow runs one row: a line for each of our servers against the best of the peer's.
func guestRow(name string, r guestKind, depth int, all []*guest, o *Options) []Line {
	fail := func(err error) []Line { return []Line{{Row: name, Err: err.Error()}} }
	for _, g := range all {
		g.line, g.ops, g.cpu = nil, 0, 0
		if _, err := g.run(r, depth, o.Time/5); err != nil { // warm
			return fail(fmt.Errorf("%s: %w", g.name, err))
		}
	}
	for round := range o.Pairs {
		for i := range all {
			g := all[(i+round)%len(all)]
			rate, err := g.run(r, depth, o.Time)
			if err != nil {
				return fail(fmt.Errorf("%s: %w", g.name, err))
			}
			g.line = append(g.line, rate)
		}
	}
	best := all[ourServers]
	for _, g := range all[ourServers:] {
		if Median(g.line) > Median(best.line) {
			best = g
		}
	}
	var lines []Line
	for _, g := range all[:ourServers] {
		l := Line{Row: name, Request: r.bytes, Goal: 1, A: g.side(), B: best.side()}
		l.Ratio = Bootstrap(ratios(g.line, best.line), o.Seed)
		l.Verdict = Judge(l.Ratio, l.Goal, 0)
		lines = append(lines, l)
	}
	return lines
}

func (g *guest) side() Side {
	return Side{Server: g.name, Rates: g.line, Median: Median(g.line), CPU: g.cpu.Seconds() * 1e6 / float64(max(g.ops, 1))}
}

// run keeps depth requests in flight for a while and says how many a second were answered.
func (g *guest) run(r guestKind, depth int, d time.Duration) (float64, error) {
	s := server{cmd: g.cmd}
	before, start := s.cpu(), time.Now()
	l := &timed{load: r.load(g), end: start.Add(d)}
	if err := g.client.Run(depth, l); err != nil {
		return 0, err
	}
	took := time.Since(start)
	g.cpu += s.cpu() - before
	g.ops += l.n
	return float64(l.n) / took.Seconds(), nil
}

// timed ends a load when its time is over.
type timed struct {
	load driver.Load
	end  time.Time
	n    int64
}

// Next implements driver.Load.
func (t *timed) Next(r *driver.Request) bool {
	if r.Step == 0 && t.n&7 == 0 && time.Now().After(t.end) {
		t.end = time.Time{}
	}
	return (r.Step != 0 || !t.end.IsZero()) && t.load.Next(r)
}

// Done implements driver.Load.
func (t *timed) Done(r *driver.Request) error {
	err := t.load.Done(r)
	if r.Step == 0 {
		t.n++
	}
	return err
}
