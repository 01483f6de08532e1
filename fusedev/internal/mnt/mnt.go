//go:build linux

// Package mnt gets a /dev/fuse that is mounted somewhere, and takes the mount away again. It knows mount(2), fusermount3,
// inherited fds, other mount namespaces, and the connection's files in fusectl and /sys/class/bdi; it reads and writes no
// FUSE message.
//
// Its functions make system calls that may wait and start processes: any goroutine may call them, a loop must not. A Mount is
// not safe for concurrent use.
package mnt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Params say what to mount where.
type Params struct {
	Dir                            string // mount point: a directory or a regular file
	FSName, Subtype                string
	Flags                          uintptr // MS_*
	AllowOther, DefaultPermissions bool
	MaxRead                        uint32 // bytes; 0: not given
	AutoUnmount                    bool
	Fusermount                     string // path or name; "": fusermount3
	NS                             string // pid or path of another mount namespace; "": ours
}

// Mount is a mounted connection.
type Mount struct {
	FD      int    // /dev/fuse, close on exec. The caller's to close
	Dir     string // absolute; "" if inherited and not found
	Dev     uint32 // minor device number: the connection's number in fusectl; major is 0
	Regular bool   // the mount point is a file

	ns         string
	fusermount string // "" if mount(2) was used
	helper     *helper
}

// New mounts. Where mount(2) is not permitted it asks fusermount3.
func New(p Params) (*Mount, error) {
	if strings.ContainsAny(p.Subtype, "\x00,/") || strings.ContainsRune(p.FSName, 0) {
		return nil, fmt.Errorf("subtype %q or fsname %q: NUL, comma or slash in it", p.Subtype, p.FSName)
	}
	if p.NS == "" {
		dir, err := filepath.Abs(p.Dir)
		if err != nil {
			return nil, fmt.Errorf("mount point %s: %w", p.Dir, err)
		}
		// fusermount3 wants no symbolic links, and neither has the mount table them
		if p.Dir, err = filepath.EvalSymlinks(dir); err != nil {
			return nil, pointError(dir, err)
		}
	} else if !filepath.IsAbs(p.Dir) {
		return nil, fmt.Errorf("mount point %s: must be absolute in another mount namespace", p.Dir)
	}
	if p.AutoUnmount && p.NS != "" {
		return nil, errors.New("auto_unmount: not possible in another mount namespace")
	}
	if p.AutoUnmount { // only the helper outlives us
		return viaHelper(&p, nil)
	}
	m, err := direct(&p)
	if err == nil || p.NS != "" || !errors.Is(err, errNotPermitted) {
		return m, err
	}
	return viaHelper(&p, err)
}

// Inherit takes over a /dev/fuse that somebody has mounted already.
func Inherit(fd int) (*Mount, error) {
	dev, ok := connection(fd)
	if !ok {
		return nil, fmt.Errorf("fd %d: not a mounted /dev/fuse", fd)
	}
	unix.CloseOnExec(fd)
	m := &Mount{FD: fd, Dev: dev}
	m.Dir, m.Regular = findMount(dev)
	return m, nil
}

// errNotPermitted is wrapped by what direct returns where fusermount3 may do better.
var errNotPermitted = errors.New("not permitted")

// direct uses mount(2).
func direct(p *Params) (*Mount, error) {
	fd, err := openDevice()
	if err != nil {
		return nil, err
	}
	m := &Mount{FD: fd, Dir: p.Dir, ns: p.NS}
	if err := inNamespace(p.NS, func() error { return m.mount(p) }); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return m, nil
}

// openDevice opens /dev/fuse.
func openDevice() (int, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return -1, fmt.Errorf("/dev/fuse: %w (%w)", err, errNotPermitted)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return -1, fmt.Errorf("/dev/fuse: %w: load the kernel module (modprobe fuse), or give the container the device", err)
	case err != nil:
		return -1, fmt.Errorf("/dev/fuse: %w", err)
	}
	return fd, nil
}

// mount mounts m.FD. Precondition: in the mount namespace.
func (m *Mount) mount(p *Params) error {
	var st unix.Stat_t
	if err := unix.Stat(p.Dir, &st); err != nil {
		return pointError(p.Dir, err)
	}
	typ := st.Mode & unix.S_IFMT
	if typ != unix.S_IFDIR && typ != unix.S_IFREG {
		return fmt.Errorf("mount point %s: neither a directory nor a regular file", p.Dir)
	}
	m.Regular = typ == unix.S_IFREG
	data := fmt.Sprintf("fd=%d,rootmode=%o,user_id=%d,group_id=%d", m.FD, typ, os.Getuid(), os.Getgid())
	if p.DefaultPermissions {
		data += ",default_permissions"
	}
	if p.AllowOther {
		data += ",allow_other"
	}
	if p.MaxRead > 0 {
		data += ",max_read=" + strconv.FormatUint(uint64(p.MaxRead), 10)
	}
	kind, source := "fuse", p.FSName
	if p.Subtype != "" {
		kind += "." + p.Subtype
	}
	if source == "" {
		source = "fastfsd"
	}
	err := unix.Mount(source, p.Dir, kind, p.Flags, data)
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("mount on %s: %w (%w)", p.Dir, err, errNotPermitted)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("mount on %s: %w (the kernel refused the options %q)", p.Dir, err, data)
	case err != nil:
		return fmt.Errorf("mount on %s: %w", p.Dir, err)
	}
	dev, ok := connection(m.FD)
	if !ok {
		if dev, err = devOf(p.Dir); err != nil {
			unix.Unmount(p.Dir, unix.MNT_DETACH)
			return fmt.Errorf("mount on %s: %w", p.Dir, err)
		}
	}
	m.Dev = dev
	return nil
}

// pointError explains why a mount point cannot be used.
func pointError(dir string, err error) error {
	if errors.Is(err, unix.ENOTCONN) {
		return fmt.Errorf("mount point %s: the server of an earlier mount is dead: umount -l it first: %w", dir, err)
	}
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("mount point %s: does not exist: create it first: %w", dir, err)
	}
	return fmt.Errorf("mount point %s: %w", dir, err)
}

// Root is an O_PATH fd of the mounted root, which keeps the mount busy until it is closed. It sends no request.
func (m *Mount) Root() (int, error) {
	if m.Dir == "" {
		return -1, fmt.Errorf("the mount point is not known: %w", unix.ENOENT)
	}
	fd := -1
	err := inNamespace(m.ns, func() (err error) {
		if err = m.ours(); err == nil {
			fd, err = unix.Open(m.Dir, unix.O_PATH|unix.O_CLOEXEC, 0)
		}
		return err
	})
	return fd, err
}

// Lifeline is the socket on which a fusermount3 waits for our death; false: there is none.
func (m *Mount) Lifeline() (fd int, ok bool) {
	if m.helper == nil {
		return -1, false
	}
	return m.helper.sock, true
}

// Close lets a fusermount3 that waits for us go; it unmounts if the mount is still there. FD stays open.
func (m *Mount) Close() {
	if m.helper != nil {
		m.helper.release()
		m.helper = nil
	}
}
