package abi

// FATTR_*: what SETATTR changes.
const (
	FattrMode        = 1 << 0
	FattrUID         = 1 << 1
	FattrGID         = 1 << 2
	FattrSize        = 1 << 3
	FattrAtime       = 1 << 4
	FattrMtime       = 1 << 5
	FattrFh          = 1 << 6
	FattrAtimeNow    = 1 << 7
	FattrMtimeNow    = 1 << 8
	FattrLockowner   = 1 << 9
	FattrCtime       = 1 << 10
	FattrKillSuidgid = 1 << 11
	FattrAll         = 1<<12 - 1
)

// FOPEN_*: what the answer to OPEN, OPENDIR and CREATE says of the file.
const (
	FopenDirectIO             = 1 << 0
	FopenKeepCache            = 1 << 1
	FopenNonseekable          = 1 << 2
	FopenCacheDir             = 1 << 3
	FopenStream               = 1 << 4
	FopenNoflush              = 1 << 5
	FopenParallelDirectWrites = 1 << 6
	FopenPassthrough          = 1 << 7
)

// Flags of single requests.
const (
	GetattrFh = 1 << 0 // FUSE_GETATTR_FH

	LkFlock = 1 << 0 // FUSE_LK_FLOCK

	ReleaseFlush       = 1 << 0 // FUSE_RELEASE_FLUSH
	ReleaseFlockUnlock = 1 << 1 // FUSE_RELEASE_FLOCK_UNLOCK

	WriteCache       = 1 << 0 // FUSE_WRITE_CACHE: a delayed write, the caller is unknown
	WriteLockowner   = 1 << 1 // FUSE_WRITE_LOCKOWNER
	WriteKillSuidgid = 1 << 2 // FUSE_WRITE_KILL_SUIDGID

	ReadLockowner = 1 << 1 // FUSE_READ_LOCKOWNER

	FsyncFdatasync = 1 << 0 // FUSE_FSYNC_FDATASYNC

	IoctlCompat       = 1 << 0 // FUSE_IOCTL_COMPAT
	IoctlUnrestricted = 1 << 1
	IoctlRetry        = 1 << 2
	Ioctl32Bit        = 1 << 3
	IoctlDir          = 1 << 4
	IoctlCompatX32    = 1 << 5
	IoctlMaxIov       = 256

	PollScheduleNotify = 1 << 0 // FUSE_POLL_SCHEDULE_NOTIFY

	AttrSubmount = 1 << 0 // FUSE_ATTR_SUBMOUNT
	AttrDAX      = 1 << 1 // FUSE_ATTR_DAX

	OpenKillSuidgid = 1 << 0 // FUSE_OPEN_KILL_SUIDGID

	SetxattrACLKillSgid = 1 << 0 // FUSE_SETXATTR_ACL_KILL_SGID

	ExpireOnly = 1 << 0 // FUSE_EXPIRE_ONLY

	MaxNrSecctx = 31 // FUSE_MAX_NR_SECCTX: extension types up to it are security contexts, so many of them
	ExtGroups   = 32 // FUSE_EXT_GROUPS

	SetupmappingWrite = 1 << 0
	SetupmappingRead  = 1 << 1
)

// FUSE over io_uring: enum fuse_uring_cmd, the command of IORING_OP_URING_CMD.
const (
	UringCmdRegister       = 1
	UringCmdCommitAndFetch = 2
)

// ioctl(2) numbers of /dev/fuse.
const (
	DevIocClone        = 0x8004e500 // _IOR(229, 0, uint32_t)
	DevIocBackingOpen  = 0x4010e501 // _IOW(229, 1, struct fuse_backing_map)
	DevIocBackingClose = 0x4004e502 // _IOW(229, 2, uint32_t)
	DevIocSyncInit     = 0x0000e503 // _IO(229, 3)
)

// Notification codes: enum fuse_notify_code, in OutHeader.Error of a message with Unique 0.
const (
	NotifyPoll       = 1
	NotifyInvalInode = 2
	NotifyInvalEntry = 3
	NotifyStore      = 4
	NotifyRetrieve   = 5
	NotifyDelete     = 6
	NotifyResend     = 7
	NotifyIncEpoch   = 8
	NotifyPrune      = 9
)
