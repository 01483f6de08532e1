package faults

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

func TestMain(m *testing.M) {
	for env, f := range children {
		if args := os.Getenv(env); args != "" {
			if err := f(strings.Fields(args)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	testmount.Main(m)
}

// overTransports runs fn as a subtest for each transport.
func overTransports(t *testing.T, fn func(t *testing.T, transport string)) {
	for _, transport := range []string{"uring", "classic", "blocking"} {
		t.Run(transport, func(t *testing.T) { fn(t, transport) })
	}
}
