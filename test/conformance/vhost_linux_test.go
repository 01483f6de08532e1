package conformance

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/internal/testmount"
	"github.com/fastfsd/fastfsd/vfs"
	"github.com/fastfsd/fastfsd/vfs/vfstest"
	"github.com/fastfsd/fastfsd/vring"
	"github.com/fastfsd/fastfsd/vring/driver"
)

// guests are the drivers that a device meets, by the name of the transport.
var guests = map[string]driver.Config{
	"vhost-split-1":  {Queues: 1, EventIdx: true, Indirect: true},
	"vhost-split-2":  {Queues: 2, EventIdx: true, Indirect: true},
	"vhost-split-8":  {Queues: 8, EventIdx: true, Indirect: true},
	"vhost-plain-1":  {Queues: 1, Size: 1024}, // neither EVENT_IDX nor INDIRECT_DESC
	"vhost-packed-1": {Queues: 1, Packed: true, EventIdx: true, Indirect: true},
}

// serveGuest serves a back-end through a vhost-user-fs device to a driver that forwards the requests of a mount of this host: the
// client is a real kernel, the way is a guest's.
func serveGuest(e *engine.Engine, backend func() any, transport, dir string) error {
	cfg, ok := guests[transport]
	if !ok {
		return fmt.Errorf("no such transport: %s", transport)
	}
	d, err := vring.New(e, func() (any, error) { return backend(), nil }, vring.Options{VFS: vfs.Options{Poison: true}})
	if err != nil {
		return err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fds[0]), "device")
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- d.Serve(conn.(*net.UnixConn)) }()
	drv, err := driver.New(fds[1], cfg)
	if err != nil {
		return err
	}
	b, err := driver.Bridge(drv, dir, driver.BridgeConfig{Interrupts: true}) // Linux sends none: a test of killed waiters would hang
	if err != nil {
		return errors.Join(err, drv.Close())
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	fmt.Println("mounted", b.Device())
	<-c
	return errors.Join(b.Close(), drv.Close(), <-served)
}

// TestGuests: POSIX behaviour through virtqueues.
func TestGuests(t *testing.T) {
	for name := range guests {
		for _, backend := range []string{"passthrough", "memfs"} {
			if backend == "memfs" && !strings.HasPrefix(name, "vhost-split") {
				continue
			}
			t.Run(name+"/"+backend, func(t *testing.T) {
				var args []string
				if backend == "passthrough" {
					args = []string{testmount.Tmpfs(t)}
				}
				vfstest.Run(t, vfstest.Config{Mount: func(testing.TB) string { return start(t, backend, name, args...) }})
			})
		}
	}
}
