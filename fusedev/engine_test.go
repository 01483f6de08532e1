//go:build linux

package fusedev

import (
	"sync"
	"testing"

	"github.com/fastfsd/fastfsd/engine"
)

var (
	engineOnce sync.Once
	engineAll  *engine.Engine
	engineErr  error
)

// testEngine is one engine for all tests: loops are never many.
func testEngine(t *testing.T) *engine.Engine {
	t.Helper()
	engineOnce.Do(func() {
		if engineAll, engineErr = engine.New(engine.Config{}); engineErr == nil {
			engineErr = engineAll.Start()
		}
	})
	if engineErr != nil {
		t.Fatal(engineErr)
	}
	return engineAll
}
