// Command gofuse serves a directory with go-fuse's loopback file system, as its example/loopback does with default options, but without
// kernel passthrough: with it, reads and writes would not reach the server that is to be measured.
//
//	gofuse SRC MNT
//
// SIGTERM unmounts.
package main

import (
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: gofuse SRC MNT")
	}
	src, mnt := os.Args[1], os.Args[2]
	root, err := fs.NewLoopbackRoot(src)
	if err != nil {
		log.Fatalf("source %s: %v", src, err)
	}
	sec := time.Second
	server, err := fs.Mount(mnt, root, &fs.Options{
		AttrTimeout:     &sec,
		EntryTimeout:    &sec,
		NullPermissions: true,
		MountOptions: fuse.MountOptions{
			FsName: src, Name: "loopback", DirectMountStrict: true,
			DisabledCapabilities: fuse.CAP_PASSTHROUGH, // the kernel then refuses backing files, and the library goes without
		},
	})
	if err != nil {
		log.Fatalf("mount: %v", err)
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	go func() {
		for range c {
			if err := server.Unmount(); err != nil {
				log.Print(err)
			}
		}
	}()
	server.Wait()
}
