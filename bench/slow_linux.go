package bench

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/fusedev"
	"github.com/fastfsd/fastfsd/vfs"
)

// slowName is the only file of a slowFS.
const slowName = "file"

// slowFS is what a user would write for a far away store: it knows nothing of loops, and each READ takes slowDelay.
type slowFS struct{}

// Keys of a slowFS.
const (
	slowRoot = iota
	slowFile
)

// Getattr describes the root and the file.
func (slowFS) Getattr(_ *vfs.Op, n vfs.Key, _ *vfs.Open, out *vfs.Stat) vfs.Errno {
	out.TTL = time.Hour
	out.Attr = abi.Attr{Ino: uint64(n) + 1, Mode: unix.S_IFDIR | 0o755, Nlink: 2, Blksize: 4096}
	if n == slowFile {
		out.Attr.Mode, out.Attr.Nlink, out.Attr.Size = unix.S_IFREG|0o644, 1, slowSize
	}
	return vfs.OK
}

// Lookup finds the file.
func (s slowFS) Lookup(op *vfs.Op, _ vfs.Key, name vfs.Name, out *vfs.Entry) vfs.Errno {
	if string(name) != slowName {
		return vfs.ENOENT
	}
	out.Key, out.EntryTTL = slowFile, time.Hour
	return s.Getattr(op, slowFile, nil, &out.Stat)
}

// Open has each read asked of the server, as one request: what goes through the page cache, or by O_DIRECT, counts as background work, of
// which the kernel sends 64 at a time.
func (slowFS) Open(_ *vfs.Op, _ vfs.Key, _ *abi.OpenIn, out *vfs.Opened) vfs.Errno {
	out.Flags = abi.FopenDirectIO
	return vfs.OK
}

// Read sleeps and gives zeros.
func (slowFS) Read(op *vfs.Op, _ vfs.Open, off int64, n int32, _ *abi.ReadIn) (vfs.Payload, vfs.Errno) {
	time.Sleep(slowDelay)
	return op.Bytes(op.Reply(int(max(0, min(int64(n), slowSize-off))))), vfs.OK
}

// slowMain serves a slowFS until SIGTERM. Arguments: mount point, transport.
func slowMain(args []string) (err error) {
	if len(args) != 2 {
		return errors.New("slow: want a mount point and a transport")
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM, unix.SIGINT)
	o := fusedev.Defaults()
	o.FSName = "slow"
	if err := o.Transport.UnmarshalText([]byte(args[1])); err != nil {
		return err
	}
	e, err := engine.New(engine.Config{})
	if err != nil {
		return err
	}
	if err := e.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	s, err := fusedev.Mount(e, slowFS{}, args[0], o)
	if err != nil {
		return fmt.Errorf("slow: %w", err)
	}
	<-stop
	return s.Close()
}
