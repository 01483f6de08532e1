package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written as 4096, 128K, 1MiB or 2g (powers of 1024).
type Size int64

var units = []struct {
	suffix string
	shift  uint
}{{"k", 10}, {"m", 20}, {"g", 30}, {"t", 40}}

// UnmarshalText parses a size.
func (s *Size) UnmarshalText(b []byte) error {
	t := strings.ToLower(strings.TrimSpace(string(b)))
	t = strings.TrimSuffix(strings.TrimSuffix(t, "ib"), "b")
	shift := uint(0)
	for _, u := range units {
		if v, ok := strings.CutSuffix(t, u.suffix); ok {
			t, shift = strings.TrimSpace(v), u.shift
			break
		}
	}
	n, err := strconv.ParseInt(t, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return fmt.Errorf("size %q: want a number of bytes, or one with K, M or G", b)
	}
	*s = Size(n << shift)
	return nil
}

// Duration is a time, written as 1s, 500ms, 1m30s, or plain seconds like 1.5.
type Duration time.Duration

// maxDuration is about 100 years; what the kernel is told has 64 bit seconds.
const maxDuration = 100 * 365 * 24 * time.Hour

// UnmarshalText parses a time.
func (d *Duration) UnmarshalText(b []byte) error {
	t := strings.TrimSpace(string(b))
	v, err := time.ParseDuration(t)
	if err != nil {
		var f float64
		if f, err = strconv.ParseFloat(t, 64); err == nil && f >= 0 && f <= maxDuration.Seconds() {
			v = time.Duration(f * float64(time.Second))
		} else {
			err = fmt.Errorf("not a number")
		}
	}
	if err != nil || v < 0 || v > maxDuration {
		return fmt.Errorf("time %q: want seconds, or a number with ms, s, m or h", b)
	}
	*d = Duration(v)
	return nil
}
