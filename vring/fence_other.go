//go:build linux && !amd64 && !arm64

package vring

import "sync/atomic"

var fenceWord atomic.Uint32

// fence orders every store before it with every load after it.
func fence() { fenceWord.Add(1) }
