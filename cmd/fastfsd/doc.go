// Command fastfsd serves file systems to Linux kernels.
//
//	fastfsd mount SRC MNT    serve the directory SRC at MNT
//	fastfsd version          say what this is
//	fastfsd help [COMMAND]   list commands or one command's options
//
// In fstab it is a type: `SRC MNT fuse.fastfsd OPTIONS 0 0`. Called as mount.fuse.fastfsd, or with a first argument that is no command,
// it mounts and goes to the background, which is what mount(8) expects of it.
//
// # Exit codes
//
//	0  the file system was unmounted cleanly (with --daemon: it is mounted and ready)
//	1  mounting or serving failed
//	2  the command line or the configuration file is wrong
//
// # Signals
//
// SIGTERM and SIGINT unmount; if the mount stays in use, it is detached and served on until nobody uses it; one more of
// them aborts. SIGUSR1 prints counters to stderr, a line for each opcode: name, requests, errors. SIGHUP is ignored.
//
// This package wires the other packages together and holds no logic of its own.
package main
