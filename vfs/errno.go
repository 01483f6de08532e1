package vfs

import "syscall"

// Errno is the result of an operation: 0, a Linux errno, or one of WouldBlock and Pending.
type Errno int32

// What a method returns beside Linux errnos. Neither ever reaches a peer.
const (
	OK Errno = 0
	// WouldBlock: the method would have to wait and op.Nonblock() is true. Returned before any side effect; the
	// method is called again off the loop.
	WouldBlock Errno = -1
	// Pending: the answer comes later through the op's Token.
	Pending Errno = -2
)

// Linux errnos by their names, the same numbers on every architecture that fastfsd runs on
// (include/uapi/asm-generic/errno.h).
const (
	EPERM        Errno = 1
	ENOENT       Errno = 2
	EINTR        Errno = 4
	EIO          Errno = 5
	ENXIO        Errno = 6
	E2BIG        Errno = 7
	EBADF        Errno = 9
	EAGAIN       Errno = 11
	ENOMEM       Errno = 12
	EACCES       Errno = 13
	EFAULT       Errno = 14
	EBUSY        Errno = 16
	EEXIST       Errno = 17
	EXDEV        Errno = 18
	ENODEV       Errno = 19
	ENOTDIR      Errno = 20
	EISDIR       Errno = 21
	EINVAL       Errno = 22
	ENFILE       Errno = 23
	EMFILE       Errno = 24
	ENOTTY       Errno = 25
	ETXTBSY      Errno = 26
	EFBIG        Errno = 27
	ENOSPC       Errno = 28
	ESPIPE       Errno = 29
	EROFS        Errno = 30
	EMLINK       Errno = 31
	ERANGE       Errno = 34
	EDEADLK      Errno = 35
	ENAMETOOLONG Errno = 36
	ENOLCK       Errno = 37
	ENOSYS       Errno = 38
	ENOTEMPTY    Errno = 39
	ELOOP        Errno = 40
	ENODATA      Errno = 61
	EPROTO       Errno = 71
	EOVERFLOW    Errno = 75
	EOPNOTSUPP   Errno = 95
	ENOTCONN     Errno = 107
	ESTALE       Errno = 116
	ECANCELED    Errno = 125
)

// Error makes an Errno usable as an error off the fast path.
func (e Errno) Error() string {
	switch e {
	case WouldBlock:
		return "would block"
	case Pending:
		return "pending"
	}
	return syscall.Errno(e).Error()
}

// Is lets errors.Is match a syscall.Errno of the same number.
func (e Errno) Is(target error) bool {
	s, ok := target.(syscall.Errno)
	return ok && e > 0 && syscall.Errno(e) == s
}
