package nodefs

import (
	"context"
	"time"

	"github.com/fastfsd/fastfsd/vfs"
)

// requestContext ends when the caller was interrupted. What it shows is copied, for a node may keep it.
type requestContext struct {
	cred vfs.Cred
	done <-chan struct{}
}

type credKey struct{}

func contextOf(op *vfs.Op) context.Context { return &requestContext{op.Cred, op.Done()} }

func (*requestContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c *requestContext) Done() <-chan struct{}     { return c.done }

func (c *requestContext) Err() error {
	select {
	case <-c.done:
		return context.Canceled
	default:
		return nil
	}
}

func (c *requestContext) Value(key any) any {
	if key == (credKey{}) {
		return &c.cred
	}
	return nil
}

// Caller is who asks; false: ctx is not from a request.
func Caller(ctx context.Context) (vfs.Cred, bool) {
	if c, ok := ctx.Value(credKey{}).(*vfs.Cred); ok {
		return *c, true
	}
	return vfs.Cred{}, false
}
