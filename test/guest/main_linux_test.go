package guest

import (
	"flag"
	"os"
	"testing"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

// insideEnv is set for the program that runs in a guest.
const insideEnv = "FASTFSD_GUEST"

// checks are what the test binary does in a guest, in the share's root. The arguments name them.
var checks = map[string]func(t *testing.T, dir string){
	"conformance": conformance,
	"files":       filesComplete,
	"ann":         func(t *testing.T, dir string) { meet(t, dir, "ann", "bob") },
	"bob":         func(t *testing.T, dir string) { meet(t, dir, "bob", "ann") },
	"pjdfstest":   pjdfstestInside,
	"queues":      queues,
	"reset":       resetOnce,
	"write":       writeForever,
}

func TestMain(m *testing.M) {
	if os.Getenv(insideEnv) == "" {
		testmount.Main(m)
	}
	flag.Parse()
	inside(flag.Args())
}

// inside runs the named checks as go test would, and exits.
func inside(names []string) {
	var tests []testing.InternalTest
	for _, name := range names {
		tests = append(tests, testing.InternalTest{Name: name, F: func(t *testing.T) {
			dir, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			checks[name](t, dir)
		}})
	}
	testing.Main(func(string, string) (bool, error) { return true, nil }, tests, nil, nil)
}
