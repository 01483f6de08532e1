//go:build linux

package vring

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxPath is the longest path of a unix socket (sun_path, with its NUL).
const maxPath = 107

// errNotSocket is what an inherited descriptor gets that is no unix stream socket.
var errNotSocket = errors.New("not a unix stream socket")

// socketName is path as net takes it: a leading @ would mean the abstract namespace, where no file mode protects anything.
func socketName(path string) (string, error) {
	if path != "" && path[0] == '@' {
		path = "./" + path
	}
	if path == "" || len(path) > maxPath {
		return "", fmt.Errorf("socket %q: a path has 1 to %d bytes; a relative one may be shorter", path, maxPath)
	}
	return path, nil
}

// Listen listens on path for front-ends of this user, and of group unless it is negative. The file of a server that
// is gone is replaced; a server that lives, or another kind of file, is an error.
func Listen(path string, group int) (*net.UnixListener, error) {
	name, err := socketName(path)
	if err != nil {
		return nil, err
	}
	l, err := bindSocket(name)
	if errors.Is(err, unix.EADDRINUSE) {
		if err := removeStale(name); err != nil {
			return nil, err
		}
		l, err = bindSocket(name)
	}
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	if group >= 0 {
		err := os.Lchown(name, -1, group)
		if err == nil {
			err = os.Chmod(name, 0o660)
		}
		if err != nil {
			_ = l.Close()
			return nil, fmt.Errorf("socket %s: give it to group %d: %w", path, group, err)
		}
	}
	return l, nil
}

// bindSocket has bind(2) make the file with mode 0600: it takes the mode of the socket's inode, so that nobody can connect
// before a chmod and the process's umask is left alone.
func bindSocket(name string) (*net.UnixListener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) }); e != nil {
			return e
		}
		return err
	}}
	l, err := lc.Listen(context.Background(), "unix", name)
	if err != nil {
		return nil, err
	}
	return l.(*net.UnixListener), nil
}

// removeStale removes the socket that a dead server has left.
func removeStale(name string) error {
	st, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("socket %s: the file exists and is no socket: remove it or choose another path", name)
	}
	c, err := net.Dial("unix", name)
	switch {
	case err == nil:
		_ = c.Close()
		return fmt.Errorf("socket %s: a server listens there already", name)
	case !errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("socket %s exists, and who listens there is unknown: %w", name, err)
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("socket of a server that is gone: %w", err)
	}
	return nil
}

// Connect connects to a front-end that listens on path.
func Connect(path string) (*net.UnixConn, error) {
	name, err := socketName(path)
	if err != nil {
		return nil, err
	}
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	return c, nil
}

// Inherit takes over a descriptor that was passed at the program's start: a socket that listens, or one that is connected
// to a front-end. One of the results is nil.
func Inherit(fd int) (*net.UnixListener, *net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "vhost-user")
	if f == nil {
		return nil, nil, fmt.Errorf("descriptor %d: %w", fd, unix.EBADF)
	}
	defer f.Close() // net makes a duplicate
	listens, err := listens(fd)
	if err != nil {
		return nil, nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	if listens {
		l, err := net.FileListener(f)
		if err != nil {
			return nil, nil, fmt.Errorf("descriptor %d: %w", fd, err)
		}
		return l.(*net.UnixListener), nil, nil
	}
	c, err := net.FileConn(f)
	if err != nil {
		return nil, nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	return nil, c.(*net.UnixConn), nil
}

// listens says whether fd, a unix stream socket, is one that listens.
func listens(fd int) (bool, error) {
	for _, o := range []struct{ name, want int }{{unix.SO_DOMAIN, unix.AF_UNIX}, {unix.SO_TYPE, unix.SOCK_STREAM}} {
		got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, o.name)
		switch {
		case errors.Is(err, unix.ENOTSOCK), err == nil && got != o.want:
			return false, errNotSocket
		case err != nil:
			return false, err
		}
	}
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return n != 0, err
}
