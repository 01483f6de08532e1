// Package conformance runs vfs/vfstest on every transport and back-end: the daemon's passthrough, and memfs, nodefs and iofs,
// which the test binary serves as a process of its own.
package conformance
