//go:build linux

package vring

// Copies is how often file data was copied together.
func Copies() uint64 { return copies.Load() }
