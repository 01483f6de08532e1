package fusedev

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/fastfsd/fastfsd/vfs"
)

// Transport is the way that requests take from the kernel.
type Transport uint8

const (
	// Auto is Uring where the kernel offers it, else Blocking.
	Auto Transport = iota
	// Uring is FUSE over io_uring (Linux 6.14, /sys/module/fuse/parameters/enable_uring).
	Uring
	// Classic reads cloned /dev/fuse fds through the engine's rings.
	Classic
	// Blocking has pinned threads that wait in read(2), each on a cloned fd.
	Blocking
)

var transportNames = [...]string{"auto", "uring", "classic", "blocking"}

func (t Transport) String() string {
	if int(t) < len(transportNames) {
		return transportNames[t]
	}
	return fmt.Sprintf("transport(%d)", uint8(t))
}

// UnmarshalText takes the names that String gives.
func (t *Transport) UnmarshalText(b []byte) error {
	for i, n := range transportNames {
		if n == string(b) {
			*t = Transport(i)
			return nil
		}
	}
	return fmt.Errorf("unknown transport %q: auto, uring, classic or blocking", b)
}

// NoFD is the value of [Options.FD] that says that none was inherited.
const NoFD = -1

// Options say how a file system is mounted and served. Start from [Defaults].
type Options struct {
	FSName  string // what mount tables show as the source
	Subtype string // the type is shown as fuse.SUBTYPE; a NUL or comma is refused

	ReadOnly           bool
	AllowOther         bool // users other than the mounter may use the mount
	DefaultPermissions bool // the kernel checks modes and ACLs
	NoAtime            bool
	NoDev, NoSuid      bool // fusermount3 sets both whatever is said here
	NoExec             bool
	DirSync, Sync      bool
	MaxRead            uint32 // bytes of a READ at most; 0: the kernel's limit
	AutoUnmount        bool   // fusermount3 stays and unmounts when this process dies

	Transport  Transport
	QueueDepth int // requests in flight per queue; 0: the transport's choice
	// ReadAhead is the mount's read-ahead in bytes: 0 matches the largest request, negative leaves the kernel's.
	ReadAhead int

	Fusermount string // program to mount with where mount(2) is not permitted; "" finds fusermount3
	FD         int    // an inherited /dev/fuse, already mounted by somebody else; NoFD: none
	MountNS    string // mount namespace to mount in: a process id or a path like /run/netns/x; "": ours

	DrainTimeout time.Duration // how long teardown waits for calls in the back-end; 0: 10 s

	VFS    vfs.Options  // request sizes and features
	Logger *slog.Logger // nil: slog.Default()
}

// Defaults are options for an ordinary mount.
func Defaults() Options { return Options{Subtype: "fastfsd", FD: NoFD} }

func (o *Options) log() *slog.Logger {
	if o.Logger != nil {
		return o.Logger
	}
	return slog.Default()
}
