package nodefs

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/fastfsd/fastfsd/vfs"
)

const etimedout vfs.Errno = 110

// errnos are the errors of the standard library that say what the caller is to be told, the special before the general.
var errnos = []struct {
	err   error
	errno vfs.Errno
}{
	{fs.ErrNotExist, vfs.ENOENT},
	{fs.ErrExist, vfs.EEXIST},
	{fs.ErrPermission, vfs.EACCES},
	{fs.ErrInvalid, vfs.EINVAL},
	{fs.ErrClosed, vfs.EBADF},
	{context.Canceled, vfs.EINTR},
	{context.DeadlineExceeded, etimedout},
	{errors.ErrUnsupported, vfs.EOPNOTSUPP},
}

// Errno is what the caller is told of err: the errno that is in it, or the one that fits a known error. known is false for
// all others, which are EIO.
func Errno(err error) (e vfs.Errno, known bool) {
	if err == nil {
		return vfs.OK, true
	}
	var v vfs.Errno
	var s syscall.Errno
	switch {
	case errors.As(err, &v) && v > 0:
		return v, true
	case errors.As(err, &s) && s > 0:
		return vfs.Errno(s), true
	}
	for _, x := range errnos {
		if errors.Is(err, x.err) {
			return x.errno, true
		}
	}
	return vfs.EIO, false
}

// errno is Errno; OnError hears of what is not known.
func (f *FS) errno(op *vfs.Op, err error) vfs.Errno {
	e, known := Errno(err)
	if !known && f.o.OnError != nil {
		f.o.OnError(op.Opcode(), err)
	}
	return e
}
