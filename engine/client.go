package engine

import (
	"github.com/fastfsd/fastfsd/vfs"
)

// Client is a connection on an engine: an epoch for each loop.
type Client struct {
	e     *Engine
	conn  *vfs.Conn
	lanes []lane // by Loop.index
}

// lane is one connection on one loop. It belongs to the loop's thread.
type lane struct {
	epoch *vfs.Epoch
	in    bool // between Enter and Exit
}

// Attach makes a connection known to the loops.
func (e *Engine) Attach(c *vfs.Conn) *Client {
	cl := &Client{e: e, conn: c, lanes: make([]lane, len(e.loops))}
	for i := range cl.lanes {
		cl.lanes[i].epoch = c.Epoch()
	}
	return cl
}

// Detach undoes Attach. No loop serves the connection any more.
func (c *Client) Detach() {
	for i := range c.lanes {
		c.lanes[i].epoch.Close()
	}
	c.lanes = nil
}

// Conn is the connection.
func (c *Client) Conn() *vfs.Conn { return c.conn }

// enter begins the loop's batch on the slot's connection, if it has not begun.
func (l *Loop) enter(c *Client) {
	n := l.own
	if n == nil {
		n = &c.lanes[l.index]
	}
	if n.in {
		return
	}
	n.epoch.Enter()
	n.in = true
	l.entered = append(l.entered, n)
}

// exit ends the batch on all connections.
func (l *Loop) exit() {
	for len(l.entered) > 0 {
		n := l.entered[len(l.entered)-1]
		l.entered = l.entered[:len(l.entered)-1]
		n.in = false
		n.epoch.Exit()
	}
}
