//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/fusedev"
	"github.com/fastfsd/fastfsd/internal/sdnotify"
	"github.com/fastfsd/fastfsd/passthrough"
)

// mountCommand is `fastfsd mount`.
func mountCommand(inv *invocation, stderr io.Writer) error {
	m := &inv.mount
	if m.Daemon && !isChild() {
		return background(inv.args)
	}
	log, err := newLogger(&m.Process, m.Daemon, stderr)
	if err != nil {
		return err
	}
	slog.SetDefault(log)
	s, err := wire(m, log)
	if err != nil {
		return err
	}
	signals := catchSignals()
	tune()
	return s.run(m, signals, log, stderr)
}

// tune sets what holds for the whole process.
func tune() {
	unix.Umask(0) // the kernel has applied the caller's umask
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // the heap is small, and a collection disturbs the loops
	}
}

// run mounts, says so, and serves until the mount has gone.
func (s *settings) run(m *mountArgs, signals chan os.Signal, log *slog.Logger, stderr io.Writer) (err error) {
	fs, err := passthrough.New(s.source, s.share)
	if err != nil {
		return fmt.Errorf("source %s: %w", s.source, err)
	}
	eng, err := startEngine(s.engine)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	srv, err := fusedev.Mount(eng, fs, s.point, s.mount)
	if err != nil {
		return err
	}
	remove, err := writePID(m.PIDFile)
	if err != nil {
		return errors.Join(err, srv.Close())
	}
	defer remove()
	if err := ready(m, srv); err != nil {
		return errors.Join(err, srv.Close())
	}
	return serve(srv, signals, log, stderr)
}

func startEngine(c engine.Config) (*engine.Engine, error) {
	eng, err := engine.New(c)
	if err != nil {
		return nil, err
	}
	if err := eng.Start(); err != nil {
		return nil, fmt.Errorf("%w (is io_uring forbidden here? sysctl kernel.io_uring_disabled, or a container's seccomp filter)", err)
	}
	return eng, nil
}

// ready tells whoever waits for the mount.
func ready(m *mountArgs, srv *fusedev.Server) error {
	if m.Daemon {
		if err := os.Chdir("/"); err != nil {
			return fmt.Errorf("daemon: %w", err)
		}
	}
	if err := tellParent(); err != nil {
		return err
	}
	if err := sdnotify.Notify(sdnotify.Ready, "STATUS=serving "+srv.Dir()); err != nil {
		return fmt.Errorf("systemd: %w", err)
	}
	return nil
}
