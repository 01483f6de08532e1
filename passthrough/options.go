package passthrough

import (
	"errors"
	"fmt"
	"time"
)

// Cache says how far the client's kernel may trust what it has seen.
type Cache uint8

const (
	CacheAuto     Cache = iota // data is dropped on open when the file has changed; names and attributes for a second
	CacheNever                 // no data, no names, no attributes are kept
	CacheMetadata              // names, attributes and listings are kept, data is not
	CacheAlways                // everything is kept as long as possible: nobody else changes the directory
)

var cacheNames = [...]string{"auto", "never", "metadata", "always"}

func (c Cache) String() string { return cacheNames[c] }

// UnmarshalText takes the names that String gives.
func (c *Cache) UnmarshalText(b []byte) error {
	return unmarshal(c, cacheNames[:], "cache policy", b)
}

// Handles says whether inodes are kept as file handles rather than as descriptors.
type Handles uint8

const (
	HandlesPrefer    Handles = iota // where the host file system has them
	HandlesNever                    // one descriptor per inode that the client knows
	HandlesMandatory                // refuse a directory whose file system has none
)

var handlesNames = [...]string{"prefer", "never", "mandatory"}

func (h Handles) String() string { return handlesNames[h] }

// UnmarshalText takes the names that String gives.
func (h *Handles) UnmarshalText(b []byte) error {
	return unmarshal(h, handlesNames[:], "use of file handles", b)
}

func unmarshal[T ~uint8](v *T, names []string, what string, b []byte) error {
	for i, n := range names {
		if n == string(b) {
			*v = T(i)
			return nil
		}
	}
	return fmt.Errorf("unknown %s %q: one of %v", what, b, names)
}

// defaultFDs keeps a server of a large tree below the thousand descriptors of an ordinary process. Opening an inode again costs
// about as much as a path lookup.
const defaultFDs = 768

// Default as a time-out means what the cache policy says.
const Default time.Duration = -1

// Options say how a directory is served. Start from [Defaults].
type Options struct {
	Cache           Cache
	AttrTimeout     time.Duration // how long attributes of files hold
	EntryTimeout    time.Duration // how long names of files hold
	DirAttrTimeout  time.Duration // the same of directories; Default: as files
	DirEntryTimeout time.Duration
	NegativeTimeout time.Duration // how long a missing name stays missing

	ReadOnly     bool
	NoXattr      bool
	NoReaddir    bool // directories look empty
	SealSize     bool // files keep their size
	NoDirectIO   bool // a client's O_DIRECT is ignored
	HostIno      bool // inode numbers as they are, even if two host file systems below the root clash
	InodeHandles Handles
	FDBudget     int // descriptors kept for inodes that have a handle; 0: 768, or a third of RLIMIT_NOFILE if that is less
	MaxLocks     int // locks and waiters of all clients; 0: 65536
}

// Defaults are options for an ordinary share.
func Defaults() Options {
	return Options{
		AttrTimeout: Default, EntryTimeout: Default, DirAttrTimeout: Default, DirEntryTimeout: Default,
	}
}

// ErrNoHandles is what New returns for HandlesMandatory on a file system that has none, or without the right to use them.
var ErrNoHandles = errors.New("passthrough: file handles cannot be used here (they need CAP_DAC_READ_SEARCH and a file system that has them): use prefer or never")

// ErrNotSupported is what New returns off Linux.
var ErrNotSupported = errors.New("passthrough: needs Linux")

// policyTTL is what a cache policy means where nothing else was said.
var policyTTL = [...]time.Duration{CacheAuto: time.Second, CacheNever: 0, CacheMetadata: 24 * time.Hour, CacheAlways: 24 * time.Hour}

// resolve replaces Default by what it means.
func (o *Options) resolve() {
	set := func(d *time.Duration, v time.Duration) {
		if *d < 0 {
			*d = v
		}
	}
	set(&o.AttrTimeout, policyTTL[o.Cache])
	set(&o.EntryTimeout, policyTTL[o.Cache])
	set(&o.DirAttrTimeout, o.AttrTimeout)
	set(&o.DirEntryTimeout, o.EntryTimeout)
	set(&o.NegativeTimeout, 0)
	if o.MaxLocks == 0 {
		o.MaxLocks = 65536
	}
}
