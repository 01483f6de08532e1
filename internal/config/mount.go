package config

// The settings of the commands. The kong tags make flags of them, the toml tags keys: the names are the same, which a
// test checks. A nil pointer is "not said".

// Engine is how much a server may use.
type Engine struct {
	Threads int  `toml:"threads" default:"0" placeholder:"N" help:"Loops; 0: one for each CPU that may be used."`
	Pool    int  `toml:"pool" default:"0" placeholder:"N" help:"Threads for calls that may wait; 0: chosen by the engine."`
	Memory  Size `toml:"memory" default:"256MiB" placeholder:"SIZE" help:"Budget for request buffers."`
}

// Share is how a directory is served, whoever asks for it.
type Share struct {
	Cache            string    `toml:"cache" enum:"never,metadata,auto,always" default:"auto" help:"What the kernel may keep: ${enum}."`
	AttrTimeout      *Duration `toml:"attr-timeout" placeholder:"TIME" help:"How long attributes hold; not said: by --cache."`
	EntryTimeout     *Duration `toml:"entry-timeout" placeholder:"TIME" help:"How long names hold; not said: by --cache."`
	DirAttrTimeout   *Duration `toml:"dir-attr-timeout" placeholder:"TIME" help:"The same for attributes of directories; not said: --attr-timeout."`
	DirEntryTimeout  *Duration `toml:"dir-entry-timeout" placeholder:"TIME" help:"The same for names of directories; not said: --entry-timeout."`
	NegativeTimeout  *Duration `toml:"negative-timeout" placeholder:"TIME" help:"How long it holds that a name does not exist; not said: by --cache."`
	InodeFileHandles string    `toml:"inode-file-handles" enum:"never,prefer,mandatory" default:"prefer" help:"Keep inodes by file handle instead of an open fd: ${enum}."`
	HostIno          bool      `toml:"host-ino" negatable:"" help:"Show the host's inode numbers, which repeat where file systems meet."`
	Writeback        bool      `toml:"writeback" negatable:"" help:"The kernel collects writes; needs --cache auto or always. A name that is missing is so for a second at least, and holes in files are not found."`
	NoOpen           bool      `toml:"no-open" help:"No message for open(2); needs --cache always and --locks local."`
	NoOpendir        bool      `toml:"no-opendir" help:"No message for opendir(3)."`
	Readdirplus      string    `toml:"readdirplus" enum:"no,auto,always" default:"auto" help:"Attributes together with names: ${enum}."`
	Xattr            bool      `toml:"xattr" negatable:"" default:"true" help:"Serve extended attributes."`
	PosixACL         bool      `toml:"posix-acl" negatable:"" help:"The kernel checks POSIX ACLs; needs --xattr."`
	Locks            string    `toml:"locks" enum:"host,local" default:"host" help:"Locks reach the host's processes, or stay in this kernel: ${enum}."`
	KillprivV2       bool      `toml:"killpriv-v2" name:"killpriv-v2" negatable:"" default:"true" help:"The server drops set-id bits and capabilities on write."`
	AllowDirectIO    bool      `toml:"allow-direct-io" negatable:"" default:"true" help:"O_DIRECT reaches the host's file."`
	SealSize         bool      `toml:"seal-size" help:"Refuse what changes a file's size."`
	NoReaddir        bool      `toml:"no-readdir" help:"Directories look empty."`
	ReadOnly         bool      `toml:"readonly" name:"readonly" short:"r" negatable:"" help:"Mount read-only."`
	MaxPages         int       `toml:"max-pages" default:"0" placeholder:"N" help:"Largest request in pages of 4 KiB, up to fs.fuse.max_pages_limit; 0: chosen."`
	MaxWrite         Size      `toml:"max-write" default:"0" placeholder:"SIZE" help:"Largest WRITE; 0: as max-pages."`
}

// Process is what every server wants to know.
type Process struct {
	LogLevel  string `toml:"log-level" enum:"debug,info,warn,error" default:"info" help:"Least level that is logged: ${enum}."`
	LogFormat string `toml:"log-format" enum:"text,json" default:"text" help:"Format of the log: ${enum}."`
	LogFile   string `toml:"log-file" placeholder:"PATH" help:"Where the log goes; not said: stderr, of a daemon syslog."`
	PIDFile   string `toml:"pid-file" name:"pid-file" placeholder:"PATH" help:"File to write the process id to; removed at the end."`
	Config    string `toml:"-" name:"config" placeholder:"FILE" help:"TOML file with long options' names as keys."`
}

// Mount are the settings of `fastfsd mount`.
type Mount struct {
	Engine
	Share
	Process

	Transport          string   `toml:"transport" enum:"auto,uring,classic,blocking" default:"auto" help:"How requests come: ${enum}."`
	QueueDepth         int      `toml:"queue-depth" default:"0" placeholder:"N" help:"Requests in flight per queue; 0: chosen from the budget."`
	MaxRead            Size     `toml:"max-read" default:"0" placeholder:"SIZE" help:"Largest READ; 0: as the kernel likes."`
	ReadAhead          *Size    `toml:"read-ahead" placeholder:"SIZE" help:"The mount's read-ahead; 0 leaves the kernel's. Not said: as the largest request."`
	AllowOther         *bool    `toml:"allow-other" negatable:"" help:"Other users may use the mount; not said: on for root."`
	DefaultPermissions *bool    `toml:"default-permissions" negatable:"" help:"The kernel checks modes; not said: on for root, whose mount would let everybody do everything."`
	FSName             string   `toml:"fsname" name:"fsname" placeholder:"NAME" help:"Source in mount tables; not said: SRC."`
	Subtype            string   `toml:"subtype" default:"fastfsd" placeholder:"NAME" help:"Type in mount tables: fuse.NAME."`
	NoAtime            bool     `toml:"noatime" name:"noatime" negatable:"" help:"Mount option noatime."`
	NoDev              *bool    `toml:"nodev" name:"nodev" negatable:"" help:"Mount option nodev; not said: on, as libfuse has it."`
	NoSuid             *bool    `toml:"nosuid" name:"nosuid" negatable:"" help:"Mount option nosuid; not said: on, as libfuse has it."`
	NoExec             bool     `toml:"noexec" name:"noexec" negatable:"" help:"Mount option noexec."`
	DirSync            bool     `toml:"dirsync" name:"dirsync" negatable:"" help:"Mount option dirsync."`
	Sync               bool     `toml:"sync" name:"sync" negatable:"" help:"Mount option sync."`
	AutoUnmount        bool     `toml:"auto-unmount" help:"A fusermount3 stays and unmounts when the daemon dies."`
	Fusermount         string   `toml:"fusermount" placeholder:"PATH" help:"The program to mount with where mount(2) is not permitted; not said: fusermount3."`
	FD                 int      `toml:"fd" name:"fd" default:"-1" placeholder:"N" help:"Serve an inherited /dev/fuse that is mounted already; -1: none."`
	MountNS            string   `toml:"mount-ns" name:"mount-ns" placeholder:"PID|PATH" help:"Mount in another mount namespace."`
	Foreground         bool     `toml:"foreground" short:"f" xor:"daemon" help:"Stay in the foreground (the default of this command)."`
	Daemon             bool     `toml:"daemon" xor:"daemon" help:"Go to the background when the mount is ready."`
	Options            []string `toml:"-" short:"o" name:"options" sep:"none" placeholder:"LIST" help:"Options as mount(8) and libfuse have them, comma separated: ro, allow_other, fsname=NAME, …, and every long option here as NAME=VALUE."`
}

// Serve are the settings of `fastfsd serve`.
type Serve struct {
	Engine
	Share
	Process

	Shares  []string `toml:"-" name:"share" required:"" sep:"none" placeholder:"TAG=DIR[,ro][,socket=PATH]" help:"Directory to serve, under the tag that guests mount; once for each share."`
	Sockets []string `toml:"-" name:"socket" sep:"none" placeholder:"PATH" help:"Unix socket to listen on for the VMM, the first for the first share, and so on."`
	FD      int      `toml:"-" name:"fd" default:"-1" placeholder:"N" help:"Inherited socket instead, listening or connected; -1: none, or the one that systemd gives."`
	Group   string   `toml:"socket-group" name:"socket-group" placeholder:"GROUP" help:"Group that may connect, by name or number."`
	Queues  int      `toml:"queues" default:"0" placeholder:"N" help:"Request queues that a VMM may use; 0: 64."`
	Persist bool     `toml:"persist" negatable:"" default:"true" help:"Serve the next VMM when one has gone."`
}
