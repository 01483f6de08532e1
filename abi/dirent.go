package abi

import "encoding/binary"

// DirentSize and DirentplusSize are the sizes of an entry's fixed part, in bytes.
const (
	DirentSize     = 24
	DirentplusSize = 152
)

// DirentLen is the space that an entry with a name of n bytes takes: 8-byte aligned.
func DirentLen(n int, plus bool) int {
	if plus {
		return (DirentplusSize + n + 7) &^ 7
	}
	return (DirentSize + n + 7) &^ 7
}

// PutDirent writes struct fuse_dirent with its name and returns its length; 0: it does not fit. typ is DT_*.
func PutDirent(dst []byte, ino, off uint64, typ uint32, name []byte) int {
	n := DirentLen(len(name), false)
	if n > len(dst) {
		return 0
	}
	putDirent(dst[:n], ino, off, typ, name)
	return n
}

// PutDirentplus writes struct fuse_direntplus with its name and returns its length; 0: it does not fit.
func PutDirentplus(dst []byte, e *EntryOut, ino, off uint64, typ uint32, name []byte) int {
	n := DirentLen(len(name), true)
	if n > len(dst) {
		return 0
	}
	copy(dst, Bytes(e))
	putDirent(dst[DirentplusSize-DirentSize:n], ino, off, typ, name)
	return n
}

func putDirent(b []byte, ino, off uint64, typ uint32, name []byte) {
	binary.NativeEndian.PutUint64(b, ino)
	binary.NativeEndian.PutUint64(b[8:], off)
	binary.NativeEndian.PutUint32(b[16:], uint32(len(name)))
	binary.NativeEndian.PutUint32(b[20:], typ)
	clear(b[DirentSize+copy(b[DirentSize:], name):])
}
