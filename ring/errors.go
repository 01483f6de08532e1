package ring

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
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

// releaseBefore says whether a kernel release such as "6.1.0-13-amd64" is older than since, such as "6.6". A release
// that cannot be read is not older than anything.
func releaseBefore(release, since string) bool {
	have, ok1 := majorMinor(release)
	need, ok2 := majorMinor(since)
	return ok1 && ok2 && (have[0] < need[0] || have[0] == need[0] && have[1] < need[1])
}

func majorMinor(s string) (v [2]int, ok bool) {
	parts := strings.SplitN(s, ".", 3)
	if len(parts) < 2 {
		return v, false
	}
	for i := range v {
		n := strings.IndexFunc(parts[i], func(c rune) bool { return c < '0' || c > '9' })
		if n < 0 {
			n = len(parts[i])
		}
		var err error
		if v[i], err = strconv.Atoi(parts[i][:n]); err != nil {
			return v, false
		}
	}
	return v, true
}
