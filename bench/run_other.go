//go:build !linux

package bench

// Run returns ErrNotSupported.
func Run([]Row, Options) (*Report, error) { return nil, ErrNotSupported }

// Role does nothing: nothing was started.
func Role() {}

// Guests returns ErrNotSupported.
func Guests(string, func(string) bool, Options) (*Report, error) { return nil, ErrNotSupported }
