//go:build !linux

package engine

import (
	"errors"
	"math"
	"time"

	"github.com/fastfsd/fastfsd/ring"
	"github.com/fastfsd/fastfsd/vfs"
)

// ErrNotSupported is what New returns where there is no io_uring.
var ErrNotSupported = errors.New("engine: needs Linux")

const rwfNowait = 0

func affinity() ([]int, error) { return nil, ErrNotSupported }

func cpuQuota() int { return math.MaxInt }

func pin(int) error { return ErrNotSupported }

func preadRaw(int32, []ring.Iovec, int64, uint32) (int32, vfs.Errno) { return 0, vfs.ENOSYS }

func pread(int32, []ring.Iovec, int64, uint32) (int32, vfs.Errno) { return 0, vfs.ENOSYS }

func pwrite(int32, []ring.Iovec, int64, uint32) (int32, vfs.Errno) { return 0, vfs.ENOSYS }

type futex struct{}

func (*futex) reset() {}

func (*futex) wake() {}

func (*futex) wait(time.Duration) bool { return true }

type event struct{}

func (*event) open() error { return ErrNotSupported }

func (*event) arm(*Loop) {}

func (*event) signal() {}

func (*event) close() {}

type creds struct{}

func (*creds) save() error { return ErrNotSupported }

func (*creds) restore() error { return ErrNotSupported }

func iovAddr([]ring.Iovec) uintptr { return 0 }
