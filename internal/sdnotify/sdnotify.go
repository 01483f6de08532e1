// Package sdnotify tells systemd that a service is ready or stopping (sd_notify(3)). Any goroutine may call it. It
// imports nothing of this module.
package sdnotify

import (
	"fmt"
	"net"
	"os"
	"strings"
)

// States of a service.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
)

// Notify sends lines to the manager's socket; without one (NOTIFY_SOCKET) it does nothing.
func Notify(lines ...string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	if path[0] != '/' && path[0] != '@' {
		return fmt.Errorf("sdnotify: NOTIFY_SOCKET=%s: neither a path nor an abstract socket", path)
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("sdnotify: %w", err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("sdnotify: %w", err)
	}
	return nil
}
