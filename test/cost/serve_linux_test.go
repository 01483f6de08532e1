package cost

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/fusedev"
	"github.com/fastfsd/fastfsd/passthrough"
)

// profileEnv names a folder: the server samples every allocation and leaves a profile there at each mark.
const profileEnv = "FASTFSD_TEST_COST_PROFILE"

// Commands that a server reads, a byte each. It answers with lines.
const (
	cmdMark  = 'm' // what was there since the last mark, as a report; then, when the next stretch has begun, an empty line
	cmdNodes = 'n' // how many nodes the client's kernel knows
)

// report is what a server did between two marks.
type report struct {
	Device         uint32 // of the mount
	Mark           int    // number of the report
	Bytes, Objects uint64 // allocated on the heap
	Requests       uint64
	Count          map[string]uint64 // requests by opcode
}

// heap is the allocations since the process began. Its fields are the only memory that reading it needs.
type heap struct {
	stats   runtime.MemStats
	samples [3]metrics.Sample
}

func newHeap() *heap {
	h := &heap{}
	for i, name := range [...]string{"/gc/heap/allocs:bytes", "/gc/heap/allocs:objects", "/gc/heap/tiny/allocs:objects"} {
		h.samples[i].Name = name
	}
	h.read()
	return h
}

// read takes the numbers. The metrics know of an allocation when its processor's span is full; ReadMemStats empties the processors'
// caches into them.
func (h *heap) read() (bytes, objects uint64) {
	runtime.ReadMemStats(&h.stats)
	metrics.Read(h.samples[:])
	return h.samples[0].Value.Uint64(), h.samples[1].Value.Uint64() + h.samples[2].Value.Uint64()
}

// serve mounts a directory and answers commands on stdin until that ends. Arguments: transport, source, mount point.
func serve(args []string) error {
	profile := os.Getenv(profileEnv)
	if profile != "" {
		runtime.MemProfileRate = 1
	}
	debug.SetGCPercent(400) // as the daemon does
	// Default policy, but names are looked up each time.
	o := passthrough.Defaults()
	o.EntryTimeout = 0
	fs, err := passthrough.New(args[1], o)
	if err != nil {
		return err
	}
	e, err := engine.New(engine.Config{})
	if err != nil {
		return err
	}
	if err := e.Start(); err != nil {
		return err
	}
	m := fusedev.Defaults()
	m.AllowOther, m.DefaultPermissions = true, true
	if err := m.Transport.UnmarshalText([]byte(args[0])); err != nil {
		return err
	}
	s, err := fusedev.Mount(e, fs, args[2], m)
	if err != nil {
		return errors.Join(err, e.Close())
	}
	err = answer(s, profile)
	return errors.Join(err, s.Close(), e.Close())
}

// answer does what stdin says. Between the commands it allocates nothing.
func answer(s *fusedev.Server, profile string) error {
	h := newHeap()
	was := requests(s)
	bytes, objects := h.read()
	var cmd [1]byte
	line := make([]byte, 0, 32)
	for marks := 0; ; {
		switch n, err := unix.Read(0, cmd[:]); {
		case err == unix.EINTR:
			continue
		case err != nil || n == 0:
			return err
		}
		if cmd[0] == cmdNodes {
			nodes, _ := s.Conn().Live()
			line = append(strconv.AppendInt(line[:0], int64(nodes), 10), '\n')
		} else {
			b, n := h.read()
			r := report{Device: s.Device(), Mark: marks, Bytes: b - bytes, Objects: n - objects, Count: requests(s)}
			if profile != "" {
				if err := writeProfile(filepath.Join(profile, strconv.Itoa(marks))); err != nil {
					return err
				}
			}
			marks++
			if err := r.write(was); err != nil {
				return err
			}
			was = requests(s)
			line = append(line[:0], '\n')
			bytes, objects = h.read()
		}
		if _, err := unix.Write(1, line); err != nil {
			return err
		}
	}
}

// requests counts what was answered, by opcode.
func requests(s *fusedev.Server) map[string]uint64 {
	m := map[string]uint64{}
	for _, c := range s.Counters() {
		m[c.Opcode.String()] += c.Count
	}
	return m
}

// write sends r, whose counts are since the mount, without those that were there before.
func (r *report) write(before map[string]uint64) error {
	for op, n := range before {
		r.Count[op] -= n
		if r.Count[op] == 0 {
			delete(r.Count, op)
		}
	}
	for _, n := range r.Count {
		r.Requests += n
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// writeProfile leaves the allocations so far; a profile knows of them after two collections.
func writeProfile(path string) error {
	runtime.GC()
	runtime.GC()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}
