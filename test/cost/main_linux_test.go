package cost

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

// roleEnv makes the test binary a server or a client instead: its value is the role and its arguments. A client that hangs in a
// mount of its own process could not be killed, and a server must not count the allocations of others.
const roleEnv = "FASTFSD_TEST_COST_ROLE"

// allEnv set to 1 has the tests take all transports and sizes, which takes minutes.
const allEnv = "FASTFSD_TEST_COST_ALL"

func all() bool { return os.Getenv(allEnv) == "1" }

func TestMain(m *testing.M) {
	role, args, _ := strings.Cut(os.Getenv(roleEnv), " ")
	var err error
	switch role {
	case "serve":
		err = serve(strings.Fields(args))
	case "work":
		err = work(strings.Fields(args))
	default:
		testmount.Main(m)
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, role, args+":", err)
		os.Exit(1)
	}
}
