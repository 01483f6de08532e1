//go:build linux

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/fusedev"
	"github.com/fastfsd/fastfsd/internal/config"
	"github.com/fastfsd/fastfsd/passthrough"
	"github.com/fastfsd/fastfsd/vfs"
)

// settings are the options of all packages for one mount.
type settings struct {
	source, point string
	share         passthrough.Options
	engine        engine.Config
	mount         fusedev.Options
}

// wire turns what the user said into the packages' options.
func wire(m *mountArgs, log *slog.Logger) (*settings, error) {
	s := &settings{source: m.Source, point: m.Point}
	var err error
	if s.source, err = filepath.Abs(m.Source); err != nil {
		return nil, fmt.Errorf("source %s: %w", m.Source, err)
	}
	if m.MaxRead > math.MaxUint32 {
		return nil, &usageError{errors.New("max-read: out of range")}
	}
	s.engine = engineConfig(&m.Engine, log)
	if s.share, err = shareOptions(&m.Share); err != nil {
		return nil, &usageError{err}
	}
	if err := s.wireMount(m, log); err != nil {
		return nil, &usageError{err}
	}
	return s, nil
}

func engineConfig(m *config.Engine, log *slog.Logger) engine.Config {
	return engine.Config{Loops: m.Threads, Pool: m.Pool, Memory: int64(m.Memory), Logger: log}
}

// shareOptions are a directory's options, checked as far as they concern each other.
func shareOptions(m *config.Share) (passthrough.Options, error) {
	o := passthrough.Defaults()
	switch {
	case m.MaxWrite > math.MaxUint32 || m.MaxPages < 0 || m.MaxPages > math.MaxUint16:
		return o, errors.New("max-write or max-pages: out of range (at most 65535 pages of 4 KiB)")
	case m.NoOpen && m.Cache != "always":
		return o, errors.New("no-open: only with --cache always: without OPEN nobody would see that a file has changed")
	case m.Writeback && m.Cache != "auto" && m.Cache != "always":
		return o, errors.New("writeback: only with --cache auto or always: nothing is collected of data that is not kept")
	case m.PosixACL && !m.Xattr:
		return o, errors.New("posix-acl: ACLs are extended attributes: leave out --no-xattr")
	}
	if err := o.Cache.UnmarshalText([]byte(m.Cache)); err != nil {
		return o, fmt.Errorf("cache: %w", err)
	}
	if err := o.InodeHandles.UnmarshalText([]byte(m.InodeFileHandles)); err != nil {
		return o, fmt.Errorf("inode-file-handles: %w", err)
	}
	set := func(to *time.Duration, from *config.Duration) {
		if from != nil {
			*to = time.Duration(*from)
		}
	}
	set(&o.AttrTimeout, m.AttrTimeout)
	set(&o.EntryTimeout, m.EntryTimeout)
	set(&o.DirAttrTimeout, m.DirAttrTimeout)
	set(&o.DirEntryTimeout, m.DirEntryTimeout)
	set(&o.NegativeTimeout, m.NegativeTimeout)
	o.ReadOnly, o.NoXattr, o.NoReaddir, o.SealSize = m.ReadOnly, !m.Xattr, m.NoReaddir, m.SealSize
	o.NoDirectIO, o.HostIno = !m.AllowDirectIO, m.HostIno
	return o, nil
}

// vfsOptions are the connection's options of a share.
func vfsOptions(m *config.Share, log *slog.Logger) vfs.Options {
	o := vfs.Options{
		MaxWrite: uint32(m.MaxWrite), MaxPages: uint16(m.MaxPages),
		Writeback: m.Writeback, NoOpen: m.NoOpen, NoOpendir: m.NoOpendir, PosixACL: m.PosixACL,
		LocalLocks: m.Locks == "local", KeepPriv: !m.KillprivV2,
	}
	switch m.Readdirplus {
	case "always":
		o.Readdirplus = vfs.ReaddirplusAlways
	case "no":
		o.Readdirplus = vfs.ReaddirplusOff
	}
	o.OnPanic = func(op abi.Opcode, v any, stack []byte) {
		log.Error("a request failed by a panic", "op", op.String(), "panic", v, "stack", string(stack))
	}
	return o
}

func (s *settings) wireMount(m *mountArgs, log *slog.Logger) error {
	o := fusedev.Defaults()
	if err := o.Transport.UnmarshalText([]byte(m.Transport)); err != nil {
		return fmt.Errorf("transport: %w", err)
	}
	root := os.Geteuid() == 0
	o.FSName, o.Subtype = m.FSName, m.Subtype
	if o.FSName == "" {
		o.FSName = s.source
	}
	o.ReadOnly, o.NoAtime, o.NoExec, o.DirSync, o.Sync = m.ReadOnly, m.NoAtime, m.NoExec, m.DirSync, m.Sync
	o.AllowOther, o.DefaultPermissions = said(m.AllowOther, root), said(m.DefaultPermissions, root)
	o.NoDev, o.NoSuid = said(m.NoDev, true), said(m.NoSuid, true)
	o.MaxRead, o.AutoUnmount, o.Fusermount = uint32(m.MaxRead), m.AutoUnmount, m.Fusermount
	o.FD, o.MountNS, o.QueueDepth, o.Logger = m.FD, m.MountNS, m.QueueDepth, log
	if m.ReadAhead != nil {
		o.ReadAhead = int(*m.ReadAhead)
		if o.ReadAhead == 0 {
			o.ReadAhead = -1
		}
	}
	o.VFS = vfsOptions(&m.Share, log)
	s.mount = o
	return nil
}

// said is what the user said, or else what holds.
func said(v *bool, otherwise bool) bool {
	if v != nil {
		return *v
	}
	return otherwise
}
