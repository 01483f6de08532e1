package ring

import (
	"errors"
	"fmt"
)

// ErrNotSupported is matched, through errors.Is, by every UnsupportedError.
var ErrNotSupported = errors.New("not supported")

// ErrClosed is returned by what is called on a closed ring.
var ErrClosed = errors.New("ring: closed")

// UnsupportedError says that the running kernel lacks a feature, and which release has it first.
type UnsupportedError struct {
	Feature string // what was asked for, in words
	Since   string // first Linux release that has it, such as "6.0"
}

// Error implements error.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("ring: %s is not supported by this system (Linux %s or newer has it)", e.Feature, e.Since)
}

// Is makes errors.Is(err, ErrNotSupported) true.
func (e *UnsupportedError) Is(target error) bool { return target == ErrNotSupported }
