// Package nodefs serves a tree of Go objects: a file system for authors who do not want to count lookups or know errnos.
//
// A node is any comparable value, as a rule a pointer; it implements the small interfaces that it has ([Lookuper], [Opener],
// [Mkdirer], …). Two nodes that are equal are one inode: return the same pointer each time, or equal values. [Dir], [MemFile],
// [Symlink], [Special] and [FuncFile] are ready-made and together a writable file system; [Meta] gives a node of one's own
// permissions, owner, times and extended attributes. [New] makes a back-end out of the root.
//
// # Threads
//
// Every request is a goroutine of its own: methods may wait, and any number of them run at once on one node. Their context ends
// when the caller was interrupted.
//
// # Locks
//
// FS.mu > nothing; it is not held across a call of a node. handle.mu > a node's methods. Of the ready-made nodes:
// tree (the names of all Dirs) > MemFile.mu > Meta.mu.
//
// nodefs imports vfs and abi only.
package nodefs
