//go:build linux

package engine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/fastfsd/fastfsd/vfs"
)

// childEnv names the child that a test process is to be.
const childEnv = "FASTFSD_ENGINE_CHILD"

var children = map[string]func(){"lost creds": loseCreds}

// loseCreds has a loop serve a request whose method leaves the thread without its capabilities. It may not return.
func loseCreds() {
	e, err := New(Config{Loops: 1, Pool: 1})
	if err != nil {
		panic(err)
	}
	if err := e.Start(); err != nil {
		panic(err)
	}
	t := &testing.T{}
	fs := &acts{inline: true}
	lose := fs.add(func(op *vfs.Op, _ int64, _ int32, _ []byte) (vfs.Payload, vfs.Errno) {
		loseCaps()
		op.SetTainted()
		return vfs.Payload{}, vfs.EACCES
	})
	l := e.Loops()[0]
	d := &desk{t: t, client: e.Attach(newConn(t, fs)), loop: l, do: l.Do}
	<-d.start(readCall(lose, 10)).done
}

// TestLostCreds: rather than serve with foreign credentials the process ends.
func TestLostCreds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env = append(os.Environ(), childEnv+"=lost creds")
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), "panic: engine: a loop's thread runs with foreign credentials") {
		t.Errorf("the child ends with %v:\n%s", err, out)
	}
}
