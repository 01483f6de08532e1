package ring

import (
	"errors"
	"fmt"
	"syscall"
)

// New makes a ring whose owner is the calling thread. It starts disabled only with SetupRDisabled.
//
// Errors: an UnsupportedError (errors.Is ErrNotSupported) names the missing feature; EPERM comes with a hint where to
// look; EINVAL is a bad size; the errno is always there for errors.Is.
func New(cfg Config) (*Ring, error) {
	if cfg.Flags&(setupIOPoll|setupSQPoll) != 0 {
		return nil, fmt.Errorf("ring: setup: polled modes are not part of this package: %w", syscall.EINVAL)
	}
	stayDisabled := cfg.Flags&SetupRDisabled != 0
	if cfg.Restrictions != nil {
		cfg.Flags |= SetupRDisabled
	}
	p := params{flags: cfg.Flags}
	if cfg.CQEntries != 0 {
		p.flags |= setupCQSize
		p.cqEntries = cfg.CQEntries
	}
	fd, errno := sysSetup(cfg.Entries, &p)
	if errno != 0 {
		return nil, setupError(cfg, errno)
	}
	r := &Ring{fd: fd, enterFd: fd, flags: cfg.Flags, features: p.features, owner: gettid()}
	if err := r.finish(cfg, &p, stayDisabled); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Ring) finish(cfg Config, p *params, stayDisabled bool) error {
	const need = FeatSingleMmap | FeatNoDrop | FeatExtArg
	if r.features&need != need {
		return &UnsupportedError{"io_uring with a timed wait", "5.11"}
	}
	if err := r.mapQueues(p); err != nil {
		return err
	}
	if cfg.Restrictions == nil {
		return nil
	}
	if err := r.restrict(cfg.Restrictions); err != nil {
		return err
	}
	if stayDisabled {
		return nil
	}
	return r.Enable()
}

// setupFlags are the flags a kernel may not know, oldest first.
var setupFlags = []struct {
	bit     uint32
	feature string
	since   string
}{
	{SetupRDisabled, "a ring that starts disabled", "5.10"},
	{SetupSubmitAll, "IORING_SETUP_SUBMIT_ALL", "5.18"},
	{SetupCoopTaskrun, "IORING_SETUP_COOP_TASKRUN", "5.19"},
	{SetupTaskrunFlag, "IORING_SETUP_TASKRUN_FLAG", "5.19"},
	{SetupSQE128, "IORING_SETUP_SQE128", "5.19"},
	{SetupCQE32, "IORING_SETUP_CQE32", "5.19"},
	{SetupSingleIssuer, "IORING_SETUP_SINGLE_ISSUER", "6.0"},
	{SetupDeferTaskrun, "IORING_SETUP_DEFER_TASKRUN", "6.1"},
	{SetupNoSQArray, "IORING_SETUP_NO_SQARRAY", "6.6"},
}

func setupError(cfg Config, errno syscall.Errno) error {
	switch errno {
	case syscall.ENOSYS:
		return &UnsupportedError{"io_uring", "5.11"}
	case syscall.EPERM:
		return fmt.Errorf("ring: setup: %w (io_uring is forbidden to this process: %s)", errno, permHint())
	case syscall.ENOMEM:
		return fmt.Errorf("ring: setup of %d entries: %w (before Linux 5.12 a ring counts against RLIMIT_MEMLOCK)", cfg.Entries, errno)
	case syscall.EINVAL:
		if e := missingFlag(cfg.Flags); e != nil {
			return e
		}
		return fmt.Errorf("ring: setup of %d entries, %d completions, flags %#x: %w", cfg.Entries, cfg.CQEntries, cfg.Flags, errno)
	}
	return fmt.Errorf("ring: setup of %d entries: %w", cfg.Entries, errno)
}

// missingFlag takes flags away, newest first, until a small ring can be made: the last one taken is what the kernel
// does not know. It is nil when the flags were not the reason, or contradict each other (DEFER_TASKRUN alone).
func missingFlag(flags uint32) error {
	if setupWorks(flags) || flags&(SetupDeferTaskrun|SetupSingleIssuer) == SetupDeferTaskrun {
		return nil
	}
	for i := len(setupFlags) - 1; i >= 0; i-- {
		f := setupFlags[i]
		if flags&f.bit == 0 {
			continue
		}
		if flags &^= f.bit; setupWorks(flags) {
			return &UnsupportedError{f.feature, f.since}
		}
	}
	return nil
}

func setupWorks(flags uint32) bool {
	p := params{flags: flags}
	fd, errno := sysSetup(1, &p)
	if errno != 0 {
		return false
	}
	sysClose(fd)
	return true
}

// Close gives back everything the ring holds: its slot among the thread's registered ring fds, the two mappings, then
// the descriptor. Operations in flight are cancelled by the kernel, after Close has returned: memory they use must
// outlive them, so cancel and reap first. A second Close does nothing.
//
// Preconditions: on the owner thread; on another one the slot (16 per thread) stays taken until the owner ends.
func (r *Ring) Close() error {
	if r.closed {
		return nil
	}
	errs := r.unregisterRingFd()
	r.closed = true
	r.queue = emptyQueue()
	for _, m := range [][]byte{r.sqeMem, r.mem} {
		if m != nil {
			errs = errors.Join(errs, sysUnmap(m))
		}
	}
	r.sqeMem, r.mem = nil, nil
	if err := sysClose(r.fd); err != nil {
		errs = errors.Join(errs, fmt.Errorf("ring: close: %w", err))
	}
	return errs
}
