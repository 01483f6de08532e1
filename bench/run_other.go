//go:build !linux

package bench

// Run returns ErrNotSupported.
func Run([]Row, Options) (*Report, error) { return nil, ErrNotSupported }

// Role does nothing: nothing was started.
func Role() {}
