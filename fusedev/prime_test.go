//go:build linux

package fusedev

import (
	"testing"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// An opcode that the prime file answered with ENOSYS would be lost to the whole mount: FLUSH drops POSIX locks at close(2).
func TestPrimeFileAnswersFlush(t *testing.T) {
	flush := vfs.Resolve(primeFile{}).Flush
	if flush == nil || flush(nil, vfs.Open{}, &abi.FlushIn{}) != vfs.OK {
		t.Fatal("FLUSH of the prime file is not answered with success")
	}
}
