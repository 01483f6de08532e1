//go:build !linux

package main

import (
	"fmt"
	"io"

	"github.com/fastfsd/fastfsd/fusedev"
)

// childError is the exit of a child in the background; there are none here.
type childError struct{ code int }

func (e *childError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

func mountCommand(*invocation, io.Writer) error { return fusedev.ErrNotSupported }

func serveCommand(*invocation, io.Writer) error { return fusedev.ErrNotSupported }
