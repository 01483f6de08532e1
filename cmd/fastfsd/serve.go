//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/fusedev"
	"github.com/fastfsd/fastfsd/internal/sdnotify"
)

// server is what serve needs of a *fusedev.Server.
type server interface {
	Wait() error
	Unmount() error
	Detach() error
	Abort() error
	Counters() []fusedev.Counter
	Dir() string
}

// catchSignals starts to collect signals; before the mount, so that none of them kills half of one.
func catchSignals() chan os.Signal {
	signal.Ignore(unix.SIGHUP, unix.SIGPIPE) // a closed terminal or log ends nothing
	c := make(chan os.Signal, 8)
	signal.Notify(c, unix.SIGTERM, unix.SIGINT, unix.SIGUSR1)
	return c
}

// retryBusy is how long after a refused unmount the second try comes.
const retryBusy = time.Second

// serve waits for the end of the mount and turns signals into unmounts.
func serve(s server, signals <-chan os.Signal, log *slog.Logger, stderr io.Writer) error {
	ended := make(chan error, 1)
	go func() { ended <- s.Wait() }()
	stops := 0
	var retry <-chan time.Time
	for {
		select {
		case err := <-ended:
			logCounters(s, log)
			return err
		case <-retry:
			retry = nil
			log.Warn("still in use: detached, served on until nobody uses it; one more signal aborts", "mount", s.Dir())
			if err := s.Detach(); err != nil {
				log.Error("detach", "err", err)
			}
		case sig := <-signals:
			if sig == unix.SIGUSR1 {
				printCounters(s, stderr)
				continue
			}
			stops++
			if stops == 1 {
				if err := sdnotify.Notify(sdnotify.Stopping); err != nil {
					log.Debug("systemd", "err", err)
				}
			}
			if stops > 1 {
				log.Warn("aborting", "mount", s.Dir(), "signal", sig.String())
				if err := errors.Join(s.Detach(), s.Abort()); err != nil {
					log.Error("abort", "err", err)
				}
				continue
			}
			log.Info("unmounting", "mount", s.Dir(), "signal", sig.String())
			if err := s.Unmount(); err != nil {
				log.Warn("unmount: trying again", "err", err)
				retry = time.After(retryBusy)
			}
		}
	}
}

// printCounters writes the mount, then a line for each opcode: name, requests, errors.
func printCounters(s server, w io.Writer) {
	fmt.Fprintf(w, "# %s\n", s.Dir())
	for _, c := range s.Counters() {
		fmt.Fprintf(w, "%s %d %d\n", c.Opcode, c.Count, c.Errors)
	}
}

func logCounters(s server, log *slog.Logger) {
	if !log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	for _, c := range s.Counters() {
		log.Info("served", "mount", s.Dir(), "op", c.Opcode.String(), "count", c.Count, "errors", c.Errors)
	}
}

// writePID writes the process id; the returned function removes the file.
func writePID(path string) (remove func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return nil, fmt.Errorf("pid-file: %w", err)
	}
	return func() { os.Remove(path) }, nil
}
