//go:build linux

package driver

import (
	"errors"
	"fmt"
	"time"

	"github.com/fastfsd/fastfsd/abi"
)

// ErrReply is wrapped by the error of a reply that Linux would not take.
var ErrReply = errors.New("driver: a wrong reply")

// Client speaks FUSE through one request queue. It belongs to one goroutine at a time.
type Client struct {
	// Limit ends a wait for a reply; 0: none.
	Limit time.Duration

	d       *Driver
	q       *Queue
	idle    []*Request
	byID    []*Request // in flight
	flying  int
	waiting []*Request // for descriptors
	unique  uint64
}

// NewClient makes a client of request queue i (from 1), with up to depth requests in flight, each with so many bytes of payload.
func NewClient(d *Driver, i, depth, payload int) (*Client, error) {
	c := &Client{Limit: d.c.Timeout, d: d, q: d.Queue(i), byID: make([]*Request, d.c.Size)}
	for i := range depth {
		r, err := newRequest(d.mem, payload)
		if err != nil {
			return nil, err
		}
		r.Index = i
		c.idle = append(c.idle, r)
	}
	return c, nil
}

// Queue is the client's queue.
func (c *Client) Queue() *Queue { return c.q }

// submit sends a request, or has it wait for its turn. Uniques are even, as the kernel's.
func (c *Client) submit(r *Request) error {
	c.unique += 2
	r.seal(c.unique)
	err := ErrFull
	if len(c.waiting) == 0 {
		err = c.send(r)
	}
	if errors.Is(err, ErrFull) && c.flying+len(c.waiting) > 0 {
		c.waiting = append(c.waiting, r)
		return nil
	}
	return err
}

func (c *Client) send(r *Request) error {
	id, err := c.q.Submit(r.in[:r.nin], r.out[:r.nout])
	if err != nil {
		return err
	}
	c.byID[id] = r
	c.flying++
	return nil
}

// take is the next reply; nil: there is none yet.
func (c *Client) take() (*Request, error) {
	id, n, ok, err := c.q.Poll()
	if err != nil || !ok {
		return nil, err
	}
	r := c.byID[id]
	c.byID[id] = nil
	c.flying--
	return r, r.accept(n)
}

// Load is what a client is kept busy with.
type Load interface {
	// Next prepares a request, and says false when there is nothing more to do.
	Next(r *Request) bool
	// Done gets the reply. The same request goes to Next after that.
	Done(r *Request) error
}

// Run keeps depth requests in flight until the load has no more.
func (c *Client) Run(depth int, l Load) error {
	if depth > len(c.idle) {
		return fmt.Errorf("driver: %d requests in flight: the client has %d", depth, len(c.idle))
	}
	for _, r := range c.idle[:depth] {
		r.Step = 0
		if !l.Next(r) {
			break
		}
		if err := c.submit(r); err != nil {
			return err
		}
	}
	if err := c.q.Kick(); err != nil {
		return err
	}
	for c.flying > 0 {
		if err := c.q.Wait(c.Limit); err != nil {
			return err
		}
		if err := c.reap(l); err != nil {
			return err
		}
	}
	return nil
}

// reap takes all replies that are there and sends what follows.
func (c *Client) reap(l Load) error {
	for {
		r, err := c.take()
		if err != nil {
			return err
		}
		if r == nil {
			if err := c.resume(); err != nil {
				return err
			}
			return c.q.Kick()
		}
		if err := l.Done(r); err != nil {
			return err
		}
		if l.Next(r) {
			if err := c.submit(r); err != nil {
				return err
			}
		}
	}
}

// resume sends what waits, as far as there are descriptors.
func (c *Client) resume() error {
	for i, r := range c.waiting {
		if err := c.send(r); errors.Is(err, ErrFull) {
			c.waiting = append(c.waiting[:0], c.waiting[i:]...)
			return nil
		} else if err != nil {
			return err
		}
	}
	c.waiting = c.waiting[:0]
	return nil
}

// call is the load of a single request.
type call struct {
	prepare func(r *Request)
	done    func(r *Request)
	sent    bool
}

func (l *call) Next(r *Request) bool {
	if l.sent {
		return false
	}
	l.sent = true
	l.prepare(r)
	return true
}

func (l *call) Done(r *Request) error {
	if e := r.Errno(); e != 0 {
		return e
	}
	if l.done != nil {
		l.done(r)
	}
	return nil
}

// Do sends what prepare made and waits; done gets the reply of success.
func (c *Client) Do(prepare, done func(r *Request)) error {
	return c.Run(1, &call{prepare: prepare, done: done})
}

// Forget gives n lookups of a node back, by the hiprio queue.
func (c *Client) Forget(node, n uint64) error { return c.d.hiprio.forget(node, n) }

// Init negotiates with the file system. Major and minor are this package's where in says 0.
func (c *Client) Init(in abi.InitIn) (out abi.InitOut, err error) {
	if in.Major == 0 {
		in.Major, in.Minor = abi.KernelVersion, abi.KernelMinor
	}
	err = c.Do(func(r *Request) {
		r.Begin(abi.OpInit, 0)
		r.Arg(abi.Bytes(&in))
		r.Reply(len(abi.Bytes(&out)))
	}, func(r *Request) { abi.Decode(&out, r.Body()) })
	return out, err
}
