package nodefs

import (
	"context"
	"io/fs"
)

// Node is a file, directory, symlink or special file: a comparable value with some of the interfaces below. Without any it is an
// empty file. What a node lacks is answered as a read-only file system does: EPERM for changes, ENOTDIR where it is no directory.
type Node any

// DirEntry is one name in a directory.
type DirEntry struct {
	Name string
	Mode fs.FileMode // its type bits count
	Ino  uint64      // 0: taken from Node, or unknown
	Node Node        // if it is at hand, Lookup is not asked; may be nil
}

// Directories.
type (
	// Lookuper finds a name; fs.ErrNotExist if there is none.
	Lookuper interface {
		Lookup(ctx context.Context, name string) (Node, error)
	}
	// Readdirer lists all names, without "." and "..". It is called once per open and rewind: a listing is a snapshot.
	Readdirer interface {
		Readdir(ctx context.Context) ([]DirEntry, error)
	}
	// Creater makes a file and opens it. flags are those of open(2), in Linux's numbers.
	Creater interface {
		Create(ctx context.Context, name string, flags int, mode fs.FileMode) (Node, File, error)
	}
	Mkdirer interface {
		Mkdir(ctx context.Context, name string, mode fs.FileMode) (Node, error)
	}
	Symlinker interface {
		Symlink(ctx context.Context, name, target string) (Node, error)
	}
	// Mknoder makes a special file; rdev is a device's number as in stat(2).
	Mknoder interface {
		Mknod(ctx context.Context, name string, mode fs.FileMode, rdev uint32) (Node, error)
	}
	// Linker gives a node one more name.
	Linker interface {
		Link(ctx context.Context, n Node, name string) error
	}
	// Remover removes a name; dir says whether rmdir(2) or unlink(2) was called.
	Remover interface {
		Remove(ctx context.Context, name string, dir bool) error
	}
	// Renamer moves a name to another directory of the same file system, perhaps itself. flags are RENAME_NOREPLACE 1 and RENAME_EXCHANGE 2.
	Renamer interface {
		Rename(ctx context.Context, name string, to Node, newName string, flags uint32) error
	}
)

// All nodes.
type (
	// Getattrer says what a node is. Without it a Lookuper or Readdirer is a directory, a Readlinker a symlink, all else a file.
	Getattrer interface {
		Getattr(ctx context.Context) (Attr, error)
	}
	Setattrer interface {
		Setattr(ctx context.Context, c *Change) error
	}
	Readlinker interface {
		Readlink(ctx context.Context) (string, error)
	}
	// Opener opens a file. flags are those of open(2), without O_CREAT and O_TRUNC. Without it a node is its own File.
	Opener interface {
		Open(ctx context.Context, flags int) (File, error)
	}
	// PrivKiller is told that a write by a stranger takes the set-user-id and set-group-id bits away.
	PrivKiller interface{ KillPriv() }
	// Xattrer has extended attributes. syscall.ENODATA: there is none of that name. flags are XATTR_CREATE 1 and XATTR_REPLACE 2.
	Xattrer interface {
		Getxattr(ctx context.Context, name string) ([]byte, error)
		Setxattr(ctx context.Context, name string, value []byte, flags int) error
		Listxattr(ctx context.Context) ([]string, error)
		Removexattr(ctx context.Context, name string) error
	}
	// Statfser is asked of the root.
	Statfser interface {
		Statfs(ctx context.Context) (Space, error)
	}
)

// Space is the result of Statfs, in bytes and numbers of files.
type Space struct{ Bytes, Free, Files, FilesFree uint64 }

// File is an open file: io.ReaderAt, io.WriterAt, io.Closer, Syncer and DirectIO as far as it has them. Several may be open
// at a time, and several calls run at once.
type File any

type (
	// Syncer is fsync(2).
	Syncer interface{ Sync() error }
	// DirectIO says that the kernel is to keep nothing of the file, not even its size: for what is generated or changes by itself.
	DirectIO interface{ DirectIO() bool }
)
