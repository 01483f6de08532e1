//go:build !linux

package vfs

import "syscall"

// pwrite knows no flags here: who sets them runs on Linux.
func pwrite(fd int, b []byte, off int64, _ uint32) (int, error) { return syscall.Pwrite(fd, b, off) }
