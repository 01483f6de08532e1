package ring

import (
	"errors"
	"fmt"
	"testing"
)

func TestReleaseBefore(t *testing.T) {
	for _, c := range []struct {
		release, since string
		want           bool
	}{
		{"6.18.44", "6.13", false},
		{"6.1.0-13-amd64", "6.6", true},
		{"5.19", "5.19", false},
		{"5.9.1", "5.10", true},
		{"5.15-rc1", "5.15", false},
		{"5.15+", "6.0", true},
		{"", "5.1", false},
		{"next", "5.1", false},
	} {
		if got := releaseBefore(c.release, c.since); got != c.want {
			t.Errorf("releaseBefore(%q, %q) = %v", c.release, c.since, got)
		}
	}
}

func TestUnsupportedMatches(t *testing.T) {
	err := fmt.Errorf("loop 3: %w", &UnsupportedError{"x", "6.1"})
	var u *UnsupportedError
	if !errors.Is(err, ErrNotSupported) || !errors.As(err, &u) || u.Since != "6.1" {
		t.Fatalf("%v is not matched", err)
	}
}
