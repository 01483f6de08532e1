package conformance

import (
	"testing"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

func TestMain(m *testing.M) { testmount.Main(m) }
