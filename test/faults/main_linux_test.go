package faults

import (
	"testing"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

func TestMain(m *testing.M) { testmount.Main(m) }

// overTransports runs fn as a subtest for each transport.
func overTransports(t *testing.T, fn func(t *testing.T, transport string)) {
	for _, transport := range []string{"uring", "classic", "blocking"} {
		t.Run(transport, func(t *testing.T) { fn(t, transport) })
	}
}
