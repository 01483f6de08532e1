package vfs

import "golang.org/x/sys/unix"

// pwrite is pwritev2(2) with one buffer.
func pwrite(fd int, b []byte, off int64, rwf uint32) (int, error) {
	return unix.Pwritev2(fd, [][]byte{b}, off, int(rwf))
}
