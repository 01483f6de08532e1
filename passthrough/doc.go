// Package passthrough serves a directory of the host as a vfs file system.
//
// It owns the host's file descriptors: O_PATH fds of inodes in a bounded cache, open files, a directory fd per host mount
// that file handles are opened on. An inode is identified by device, inode number, birth time and mount; where the host has
// file handles, it costs no fd while nobody uses it.
//
// # Threads
//
// FS is Inline: its methods run on loops and on locked threads of the engine's pool, never on plain goroutines, for
// creating calls switch the thread's credentials. Under op.Nonblock a call runs only while the superblock's recent calls
// were quick (vfs.Pace); network and FUSE file systems always go to the pool, and so does the step onto another mount.
//
// # Locks
//
// mount table > inode shard > slab. The list of cached descriptors is locked with none of them, and inside it an inode is only tried.
// A directory handle's mutex is held across getdents and lookups, and only tried on a
// loop. No lock of the first four is held across a system call that can wait. Those of client locks are described at lockTable.
//
// # Trust
//
// Names are single components and are resolved against O_PATH directories, never followed. Only regular files and directories are ever
// opened; devices, fifos and sockets are nodes that the client's kernel opens by itself.
//
// passthrough imports vfs and abi: it knows no transport, no ring and no engine.
package passthrough
