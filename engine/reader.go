package engine

import (
	"fmt"
	"runtime/debug"
	"slices"
)

// NewReader makes a loop without a ring for a thread of a transport that waits for requests by itself. It pins the
// calling thread, whose goroutine is locked to it and calls ServeAlone from then on. What may wait goes to the pool;
// the queues of its slots must let any thread reply. cpu -1: not pinned.
func (e *Engine) NewReader(c *Client, cpu int) (*Loop, error) {
	l := newLoop(e, -1, cpu)
	l.own = &lane{epoch: c.conn.Epoch()}
	err := l.creds.save()
	if err == nil && cpu >= 0 {
		err = pin(cpu)
	}
	if err != nil {
		l.own.epoch.Close()
		return nil, fmt.Errorf("engine: reader on CPU %d: %w", cpu, err)
	}
	debug.SetPanicOnFault(true)
	e.readMu.Lock()
	defer e.readMu.Unlock()
	e.readers = append(e.readers, l)
	return l, nil
}

// CloseReader ends a loop of NewReader. The thread stays pinned: its goroutine should end without unlocking it.
func (l *Loop) CloseReader() {
	l.own.epoch.Close()
	e := l.e
	e.readMu.Lock()
	defer e.readMu.Unlock()
	e.readers = slices.DeleteFunc(e.readers, func(r *Loop) bool { return r == l })
	e.off.merge(&l.tally)
}
