//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/internal/sdnotify"
	"github.com/fastfsd/fastfsd/passthrough"
	"github.com/fastfsd/fastfsd/vring"
)

// share is a directory with the socket on which VMMs come for it.
type share struct {
	tag, dir, socket string
	readOnly         bool

	listener *net.UnixListener
	conn     *net.UnixConn // instead, where a connected socket was inherited
	device   *vring.Device
}

// systemdFD is the first descriptor that systemd hands over (sd_listen_fds(3)).
const systemdFD = 3

// serveCommand is `fastfsd serve`.
func serveCommand(inv *invocation, stderr io.Writer) error {
	m := &inv.serve
	log, err := newLogger(&m.Process, false, stderr)
	if err != nil {
		return err
	}
	slog.SetDefault(log)
	shares, err := parseShares(m)
	if err != nil {
		return &usageError{err}
	}
	signals := catchSignals()
	tune()
	eng, err := startEngine(engineConfig(&m.Engine, log))
	if err != nil {
		return err
	}
	err = serveShares(m, shares, eng, signals, log, stderr)
	return errors.Join(err, eng.Close())
}

// parseShares reads the shares and gives each its socket.
func parseShares(m *serveArgs) ([]*share, error) {
	var shares []*share
	sockets := m.Sockets
	fd := m.FD
	if fd < 0 && os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) {
		fd = systemdFD
	}
	for _, text := range m.Shares {
		s, err := parseShare(text)
		if err != nil {
			return nil, err
		}
		if s.socket == "" && len(sockets) > 0 {
			s.socket, sockets = sockets[0], sockets[1:]
		}
		if s.socket == "" && (fd < 0 || len(shares) > 0) {
			return nil, fmt.Errorf("share %s: no socket: add --socket PATH, or ,socket=PATH to the share", s.tag)
		}
		shares = append(shares, s)
	}
	switch {
	case len(sockets) > 0:
		return nil, fmt.Errorf("socket %s: there is no share for it", sockets[0])
	case fd >= 0 && shares[0].socket == "":
		var err error
		if shares[0].listener, shares[0].conn, err = vring.Inherit(fd); err != nil {
			return nil, err
		}
	case m.FD >= 0:
		return nil, errors.New("fd: the first share has a socket already")
	}
	return shares, nil
}

// parseShare reads TAG=DIR[,ro][,rw][,socket=PATH].
func parseShare(text string) (*share, error) {
	words := strings.Split(text, ",")
	tag, dir, ok := strings.Cut(words[0], "=")
	switch {
	case !ok || tag == "" || dir == "":
		return nil, fmt.Errorf("share %q: want TAG=DIR", text)
	case len(tag) > vring.MaxTag:
		return nil, fmt.Errorf("share %s: a tag has %d bytes at most", tag, vring.MaxTag)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("share %s: %w", tag, err)
	}
	s := &share{tag: tag, dir: abs}
	for _, w := range words[1:] {
		switch path, socket := strings.CutPrefix(w, "socket="); {
		case socket && path != "" && s.socket == "":
			s.socket = path
		case w == "ro":
			s.readOnly = true
		case w == "rw":
			s.readOnly = false
		default:
			return nil, fmt.Errorf("share %s: %q: want ro, rw or socket=PATH, each once", tag, w)
		}
	}
	return s, nil
}

// serveShares listens for all shares and serves until a signal, or until all VMMs have gone for good.
func serveShares(m *serveArgs, shares []*share, eng *engine.Engine, signals <-chan os.Signal, log *slog.Logger, stderr io.Writer) error {
	group, err := parseGroup(m.Group)
	if err != nil {
		return &usageError{err}
	}
	for _, s := range shares {
		if err := s.open(m, eng, group, log); err != nil {
			return errors.Join(err, closeShares(shares))
		}
	}
	remove, err := writePID(m.PIDFile)
	if err != nil {
		return errors.Join(err, closeShares(shares))
	}
	defer remove()
	if err := sdnotify.Notify(sdnotify.Ready, "STATUS=waiting for virtual machines"); err != nil {
		return errors.Join(fmt.Errorf("systemd: %w", err), closeShares(shares))
	}
	ended := make(chan error, len(shares))
	for _, s := range shares {
		go func() { ended <- s.serve(m.Persist, log) }()
	}
	var errs []error
	for left := len(shares); left > 0; {
		select {
		case err := <-ended:
			errs = append(errs, err)
			left--
		case sig := <-signals:
			if sig == unix.SIGUSR1 {
				printTotals(eng, stderr)
				continue
			}
			log.Info("ending", "signal", sig.String())
			if err := sdnotify.Notify(sdnotify.Stopping); err != nil {
				log.Debug("systemd", "err", err)
			}
			errs = append(errs, closeShares(shares))
		}
	}
	return errors.Join(errs...)
}

// printTotals writes a line for each opcode that guests have sent: name, requests, errors.
func printTotals(eng *engine.Engine, w io.Writer) {
	var sums [abi.OpMax + 1]struct{ count, errors uint64 }
	for _, c := range eng.Counters() {
		s := &sums[min(c.Opcode, abi.OpMax)]
		s.count += c.Count
		s.errors += c.Errors
	}
	for op, s := range sums {
		if s.count > 0 {
			fmt.Fprintf(w, "%s %d %d\n", abi.Opcode(op), s.count, s.errors)
		}
	}
}

// parseGroup is a group's number; -1: none was said.
func parseGroup(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("socket-group: %w", err)
	}
	return strconv.Atoi(g.Gid)
}

// open makes the share's device and listens.
func (s *share) open(m *serveArgs, eng *engine.Engine, group int, log *slog.Logger) (err error) {
	opts, err := shareOptions(&m.Share)
	if err != nil {
		return &usageError{err}
	}
	opts.ReadOnly = opts.ReadOnly || s.readOnly
	fs, err := passthrough.New(s.dir, opts) // now, so that a mistake is not first seen when a guest comes
	if err != nil {
		return fmt.Errorf("share %s: %s: %w", s.tag, s.dir, err)
	}
	fs.Forget(fs.Root(), 1)
	fs.Destroy()
	log = log.With("share", s.tag)
	s.device, err = vring.New(eng, func() (any, error) { return passthrough.New(s.dir, opts) }, vring.Options{
		Queues: m.Queues, VFS: vfsOptions(&m.Share, log), Logger: log,
	})
	if err != nil || s.listener != nil || s.conn != nil {
		return err
	}
	s.listener, err = vring.Listen(s.socket, group)
	if err != nil {
		return fmt.Errorf("share %s: %w", s.tag, err)
	}
	log.Info("listening", "socket", s.socket, "dir", s.dir)
	return nil
}

// serve serves VMMs: all that come, or the first one.
func (s *share) serve(persist bool, log *slog.Logger) error {
	log = log.With("share", s.tag)
	if s.conn != nil {
		return s.session(s.conn, log)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := s.listener.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("share %s: %w", s.tag, err)
		case !persist:
			return errors.Join(s.session(conn, log), s.listener.Close())
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			_ = s.session(conn, log) // it was logged, and the next VMM is served
		}()
	}
}

func (s *share) session(conn *net.UnixConn, log *slog.Logger) error {
	log.Info("a VMM has connected")
	err := s.device.Serve(conn)
	if err != nil {
		log.Error("the connection of a VMM has ended", "err", err)
		return fmt.Errorf("share %s: %w", s.tag, err)
	}
	log.Info("a VMM has gone")
	return nil
}

// closeShares ends all sessions and removes the sockets.
func closeShares(shares []*share) error {
	var errs []error
	for _, s := range shares {
		if s.listener != nil {
			if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
		if s.device != nil {
			s.device.Close()
		}
	}
	return errors.Join(errs...)
}
