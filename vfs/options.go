package vfs

import (
	"errors"
	"time"

	"github.com/fastfsd/fastfsd/abi"
)

// Readdirplus says when the kernel asks for attributes along with names.
type Readdirplus uint8

const (
	ReaddirplusAuto   Readdirplus = iota // where a program is likely to look at them
	ReaddirplusAlways                    // in every listing
	ReaddirplusOff
)

// Options are a connection's wishes; the kernel may grant less (Negotiated). The zero value is the default.
type Options struct {
	MaxWrite            uint32 // largest WRITE, bytes; 0: as MaxPages allows
	MaxPages            uint16 // largest READ and WRITE, in pages of 4 KiB; 0: 256
	MaxReadahead        uint32 // bytes; 0: what the kernel offers
	MaxBackground       uint16 // asynchronous requests in flight; 0: 64
	CongestionThreshold uint16 // 0: three quarters of MaxBackground
	RequestTimeout      uint16 // seconds after which the kernel aborts the connection; 0: never
	Uring               bool   // ask for FUSE over io_uring

	Writeback    bool // the kernel keeps written data back; sizes and times are its own meanwhile
	NoOpen       bool // the kernel leaves OPEN and RELEASE out: the file system works on nodes alone
	NoOpendir    bool // likewise OPENDIR
	AtomicTrunc  bool // OPEN carries O_TRUNC. Linux then checks for running programs (ETXTBSY) too late
	PosixACL     bool // access control lists, checked by the kernel; wants default_permissions
	SecurityCtx  bool // creating requests carry the security context of the new file
	LocalLocks   bool // the kernel keeps locks by itself, even where the file system has Setlk
	KeepPriv     bool // no HANDLE_KILLPRIV_V2: the kernel drops suid and sgid by a SETATTR of its own
	NoSuppGroups bool // creating requests do not carry a supplementary group
	NoLinkCache  bool // symlinks are read every time
	ExplicitData bool // cached data is dropped by notifications only, not when size or mtime change
	Idmap        bool // the mount may be id-mapped; wants default_permissions
	Readdirplus  Readdirplus

	// Composite says that file systems may come and go below this one: no opcode is switched off for good by ENOSYS.
	Composite bool

	Poison   bool          // tests: overwrite what an op shows once it has ended
	Watchdog time.Duration // tests: report calls that take longer on a loop; 0: none
	OnStall  func(op abi.Opcode, d time.Duration)
	OnPanic  func(op abi.Opcode, v any, stack []byte) // a back-end panicked; its caller gets EIO
}

// Errors of options that exclude each other.
var (
	ErrNoOpenTrunc  = errors.New("vfs: without OPEN there is no atomic O_TRUNC: leave out no-open or atomic-trunc")
	ErrTimeoutLocks = errors.New("vfs: a request timeout would abort the mount while a program waits for a lock: use local locks with it")
	ErrNoOpenLocks  = errors.New("vfs: locks belong to open files: use local locks with no-open")
)

func (o *Options) check() error {
	switch {
	case o.NoOpen && o.AtomicTrunc:
		return ErrNoOpenTrunc
	case o.NoOpen && !o.LocalLocks:
		return ErrNoOpenLocks
	case o.RequestTimeout > 0 && !o.LocalLocks:
		return ErrTimeoutLocks
	}
	return nil
}

const (
	pageSize        = 4096
	defaultMaxPages = 256
	minPages        = 32 // less, and a 64 KiB attribute would not fit a ring entry's payload
	defaultMaxBg    = 64
)

func (o *Options) maxPages() uint16 {
	if o.MaxPages == 0 {
		return defaultMaxPages
	}
	return max(o.MaxPages, minPages)
}

func (o *Options) maxWrite() uint32 {
	limit := uint32(o.maxPages()) * pageSize
	if o.MaxWrite == 0 {
		return limit
	}
	return max(pageSize, min(o.MaxWrite, limit))
}
