// Package iofs serves any io/fs.FS, read-only: embedded files, a zip archive, os.DirFS.
//
// A node is a path. What the file system says about it is asked each time; the kernel keeps it for Options.TTL. Symlinks show where
// the file system implements fs.ReadLinkFS, and are not followed here. Inode numbers come from the path.
//
// Methods may be called by any thread, at once; so must those of the fs.FS be. Locks: file.mu, held across calls of the fs.FS.
//
// iofs imports vfs/nodefs and vfs.
package iofs
