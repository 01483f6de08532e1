//go:build linux

package vring

import "github.com/fastfsd/fastfsd/engine"

// setLog changes where a queue logs what it writes to guest memory, while it runs.
func (c *connection) setLog(i int, d *dirtyLog, used uint64) error {
	q := c.list[i]
	return q.loop.Call(func(*engine.Loop) error {
		if q.vq != nil {
			q.vq.setDirty(d, used)
		}
		return nil
	})
}
