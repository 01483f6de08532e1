//go:build !linux

package fusedev

import (
	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/vfs"
)

// Server is one mount. There are none here.
type Server struct {
	tallies tallies
}

// Mount fails with [ErrNotSupported].
func Mount(*engine.Engine, any, string, Options) (*Server, error) { return nil, ErrNotSupported }

// Wait fails with [ErrNotSupported].
func (s *Server) Wait() error { return ErrNotSupported }

// Unmount fails with [ErrNotSupported].
func (s *Server) Unmount() error { return ErrNotSupported }

// Detach fails with [ErrNotSupported].
func (s *Server) Detach() error { return ErrNotSupported }

// Abort fails with [ErrNotSupported].
func (s *Server) Abort() error { return ErrNotSupported }

// Close fails with [ErrNotSupported].
func (s *Server) Close() error { return ErrNotSupported }

// Dir is "".
func (s *Server) Dir() string { return "" }

// Transport is Auto: none was chosen.
func (s *Server) Transport() Transport { return Auto }

// Conn is nil.
func (s *Server) Conn() *vfs.Conn { return nil }

// Device is 0.
func (s *Server) Device() uint32 { return 0 }

// Notifier is nil.
func (s *Server) Notifier() vfs.Notifier { return nil }
