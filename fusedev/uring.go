//go:build linux

package fusedev

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/engine"
)

const (
	uringDepth    = 64        // entries of a queue whose CPU has a loop of its own
	uringForeign  = 2         // entries of a queue whose CPU has none, or is offline
	uringSpare    = 48        // entries left to the kernel below which more are registered
	uringPayload  = 128 << 10 // least payload of an entry: a 64 KiB extended attribute must fit, or the kernel is in trouble
	possibleCPUs  = "/sys/devices/system/cpu/possible"
	maxUringQueue = 1 << 16
)

// uring is FUSE over io_uring: a queue for each possible CPU, for the kernel puts a request into the queue of the CPU
// that sends it; a possible CPU without a queue would hang the mount. FORGET and INTERRUPT, and everything until all
// queues are registered, still come by /dev/fuse, which one loop reads.
type uring struct {
	s      *Server
	client *engine.Client
	desk   *classicDesk
	queues []*uringQueue
}

func newUring(s *Server) transport { return &uring{s: s} }

func (t *uring) start() error {
	n, err := countCPUs(possibleCPUs)
	if err != nil {
		return err
	}
	t.client = t.s.eng.Attach(t.s.conn)
	loops := t.s.eng.Loops()
	off := t.s.newTally()
	if t.desk, err = openClassicDesk(t.s, t.client, loops[int(t.s.Device())%len(loops)], off, false); err != nil {
		t.client.Detach()
		return err
	}
	depth := t.depth(len(loops))
	for cpu := range n {
		l, want := t.s.eng.LoopOf(cpu), depth
		if l == nil {
			l, want = loops[cpu%len(loops)], min(depth, uringForeign)
		}
		q := newUringQueue(t, l, uint16(cpu), depth)
		t.queues = append(t.queues, q)
		if err := q.open(want); err != nil {
			return errors.Join(fmt.Errorf("queue of CPU %d: %w", cpu, err), t.undo())
		}
	}
	return nil
}

// depth is the entries of a queue: what was asked for, less where the memory does not suffice.
func (t *uring) depth(loops int) int {
	d := t.s.opt.QueueDepth
	if d <= 0 {
		d = uringDepth
	}
	fit := t.s.eng.Memory() / int64(loops) / int64(t.payload())
	return min(max(2, min(d, int(fit))), maxHeld)
}

// payload is the payload memory of an entry, bytes.
func (t *uring) payload() int {
	page := os.Getpagesize()
	return (max(uringPayload, t.s.conn.Negotiated().Payload()) + page - 1) &^ (page - 1)
}

// undo ends a start that failed. Entries cannot be taken back from the kernel while the connection lives: their queues
// wait for its end.
func (t *uring) undo() error {
	t.desk.stop()
	queues, client := t.queues, t.client
	go func() {
		for _, q := range queues {
			q.stop()
		}
		client.Detach()
	}()
	return nil
}

func (t *uring) stop() {
	for _, q := range t.queues {
		q.stop()
	}
	t.desk.stop()
	t.client.Detach()
}

// countCPUs is one more than the highest possible CPU of a list such as "0-3,8".
func countCPUs(file string) (int, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("possible CPUs: %w", err)
	}
	list := strings.TrimSpace(string(b))
	last := list[strings.LastIndexAny(list, "-,")+1:]
	n, err := strconv.Atoi(last)
	if err != nil || n < 0 || n >= maxUringQueue-1 {
		return 0, fmt.Errorf("possible CPUs: %s says %q: %w", file, list, unix.EPROTO)
	}
	return n + 1, nil
}

// uringCommand are the commands of FUSE over io_uring.
const (
	uringRegister = abi.UringCmdRegister
	uringCommit   = abi.UringCmdCommitAndFetch
)
