//go:build linux && (amd64 || arm64)

package vring

// fence orders every store before it with every load after it. Go's atomics do not: on arm64 a load may pass the store
// before it.
func fence()
