//go:build linux

package fusedev

import (
	"testing"

	"github.com/fastfsd/fastfsd/engine"
)

// testEngine is an engine for this test alone; it must be free of mounts when the test ends.
func testEngine(t testing.TB) *engine.Engine {
	t.Helper()
	e, err := engine.New(engine.Config{Logger: quiet()})
	if err == nil {
		err = e.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}
