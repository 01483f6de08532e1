//go:build !linux

package vring

import "errors"

// ErrNotSupported is what there is here: virtqueues are served on Linux only.
var ErrNotSupported = errors.New("vring: virtual machines are served on Linux only")
