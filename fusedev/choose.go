//go:build linux

package fusedev

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/fusedev/internal/mnt"
)

// ErrBusy is what Unmount returns while files of the mount are in use.
var ErrBusy = mnt.ErrBusy

// uringParam is the kernel's switch (Linux 6.14).
const uringParam = "/sys/module/fuse/parameters/enable_uring"

// uringEnabled is nil, or says why the kernel will not offer FUSE over io_uring and what to do about it.
func uringEnabled() error { return uringSwitch(uringParam) }

func uringSwitch(param string) error {
	b, err := os.ReadFile(param)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: this kernel has no %s (Linux 6.14 has it)", ErrNoUring, param)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNoUring, err)
	case strings.TrimSpace(string(b)) != "Y":
		return fmt.Errorf("%w: it is switched off: as root, echo Y > %s before mounting, or boot with fuse.enable_uring=1", ErrNoUring, param)
	}
	return nil
}

// choose starts the transport that was asked for or is best.
func (s *Server) choose() error {
	offered := s.conn.Negotiated().Flags&abi.InitOverIOUring != 0
	hint := uringEnabled()
	if hint == nil && !offered {
		hint = fmt.Errorf("%w: the kernel did not offer it to this mount", ErrNoUring)
	}
	s.kind = s.opt.Transport
	switch {
	case s.kind == Uring && !offered:
		return hint
	case s.kind == Auto && offered:
		s.kind = Uring
	case s.kind == Auto:
		s.kind = Blocking
	}
	if err := s.startTransport(); err != nil {
		return fmt.Errorf("%w: %v: %w", errStart, s.kind, err)
	}
	n := s.conn.Negotiated()
	args := []any{"transport", s.kind.String(), "protocol", fmt.Sprintf("%d.%d", abi.KernelVersion, n.Minor), "max_write", n.MaxWrite}
	if s.opt.Transport == Auto && s.kind != Uring && hint != nil {
		args = append(args, "hint", hint.Error())
	}
	s.log.Info("mounted", args...)
	return nil
}

func (s *Server) startTransport() error {
	switch s.kind {
	case Uring:
		s.tr = newUring(s)
	case Classic:
		s.tr = newClassic(s)
	case Blocking:
		s.tr = newBlocking(s)
	default:
		return fmt.Errorf("unknown: %w", unix.EINVAL)
	}
	return s.tr.start()
}

// readAhead raises the mount's read-ahead to the largest request, for the kernel would split buffered reads at 128 KiB.
func (s *Server) readAhead() {
	bytes := s.opt.ReadAhead
	if bytes < 0 {
		return
	}
	if bytes == 0 {
		bytes = int(s.conn.Negotiated().MaxPages) * 4096
		if r := s.opt.VFS.MaxReadahead; r > 0 {
			bytes = int(r)
		}
	}
	if old, err := s.m.SetReadAhead(bytes); err != nil {
		s.log.Warn("read-ahead stays small: its file in /sys/class/bdi cannot be written", "bytes", old, "wanted", bytes, "err", err)
	}
}
