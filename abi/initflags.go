package abi

import "strings"

// InitFlags are both flag words of INIT in one: flags in the low, flags2 in the high 32 bits.
type InitFlags uint64

// FUSE_* flags of INIT.
const (
	InitAsyncRead         InitFlags = 1 << 0
	InitPosixLocks        InitFlags = 1 << 1
	InitFileOps           InitFlags = 1 << 2
	InitAtomicOTrunc      InitFlags = 1 << 3
	InitExportSupport     InitFlags = 1 << 4
	InitBigWrites         InitFlags = 1 << 5
	InitDontMask          InitFlags = 1 << 6
	InitSpliceWrite       InitFlags = 1 << 7
	InitSpliceMove        InitFlags = 1 << 8
	InitSpliceRead        InitFlags = 1 << 9
	InitFlockLocks        InitFlags = 1 << 10
	InitHasIoctlDir       InitFlags = 1 << 11
	InitAutoInvalData     InitFlags = 1 << 12
	InitDoReaddirplus     InitFlags = 1 << 13
	InitReaddirplusAuto   InitFlags = 1 << 14
	InitAsyncDio          InitFlags = 1 << 15
	InitWritebackCache    InitFlags = 1 << 16
	InitNoOpenSupport     InitFlags = 1 << 17
	InitParallelDirops    InitFlags = 1 << 18
	InitHandleKillpriv    InitFlags = 1 << 19
	InitPosixACL          InitFlags = 1 << 20
	InitAbortError        InitFlags = 1 << 21
	InitMaxPages          InitFlags = 1 << 22
	InitCacheSymlinks     InitFlags = 1 << 23
	InitNoOpendirSupport  InitFlags = 1 << 24
	InitExplicitInvalData InitFlags = 1 << 25
	InitMapAlignment      InitFlags = 1 << 26
	InitSubmounts         InitFlags = 1 << 27
	InitHandleKillprivV2  InitFlags = 1 << 28
	InitSetxattrExt       InitFlags = 1 << 29
	InitInitExt           InitFlags = 1 << 30
	InitReserved          InitFlags = 1 << 31
	InitSecurityCtx       InitFlags = 1 << 32
	InitHasInodeDax       InitFlags = 1 << 33
	InitCreateSuppGroup   InitFlags = 1 << 34
	InitHasExpireOnly     InitFlags = 1 << 35
	InitDirectIOAllowMmap InitFlags = 1 << 36
	InitPassthrough       InitFlags = 1 << 37
	InitNoExportSupport   InitFlags = 1 << 38
	InitHasResend         InitFlags = 1 << 39
	InitAllowIdmap        InitFlags = 1 << 40
	InitOverIOUring       InitFlags = 1 << 41
	InitRequestTimeout    InitFlags = 1 << 42
)

var initNames = [...]string{
	"ASYNC_READ",
	"POSIX_LOCKS",
	"FILE_OPS",
	"ATOMIC_O_TRUNC",
	"EXPORT_SUPPORT",
	"BIG_WRITES",
	"DONT_MASK",
	"SPLICE_WRITE",
	"SPLICE_MOVE",
	"SPLICE_READ",
	"FLOCK_LOCKS",
	"HAS_IOCTL_DIR",
	"AUTO_INVAL_DATA",
	"DO_READDIRPLUS",
	"READDIRPLUS_AUTO",
	"ASYNC_DIO",
	"WRITEBACK_CACHE",
	"NO_OPEN_SUPPORT",
	"PARALLEL_DIROPS",
	"HANDLE_KILLPRIV",
	"POSIX_ACL",
	"ABORT_ERROR",
	"MAX_PAGES",
	"CACHE_SYMLINKS",
	"NO_OPENDIR_SUPPORT",
	"EXPLICIT_INVAL_DATA",
	"MAP_ALIGNMENT",
	"SUBMOUNTS",
	"HANDLE_KILLPRIV_V2",
	"SETXATTR_EXT",
	"INIT_EXT",
	"INIT_RESERVED",
	"SECURITY_CTX",
	"HAS_INODE_DAX",
	"CREATE_SUPP_GROUP",
	"HAS_EXPIRE_ONLY",
	"DIRECT_IO_ALLOW_MMAP",
	"PASSTHROUGH",
	"NO_EXPORT_SUPPORT",
	"HAS_RESEND",
	"ALLOW_IDMAP",
	"OVER_IO_URING",
	"REQUEST_TIMEOUT",
}

// Split gives the two words of the wire.
func (f InitFlags) Split() (flags, flags2 uint32) { return uint32(f), uint32(f >> 32) }

// JoinInitFlags makes one of the wire's words. flags2 counts only if flags says so (INIT_EXT).
func JoinInitFlags(flags, flags2 uint32) InitFlags {
	f := InitFlags(flags)
	if f&InitInitExt != 0 {
		f |= InitFlags(flags2) << 32
	}
	return f
}

// String lists the kernel's names, without their prefix.
func (f InitFlags) String() string {
	var b strings.Builder
	for i := range 64 {
		if f>>i&1 == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('|')
		}
		if i < len(initNames) {
			b.WriteString(initNames[i])
		} else {
			b.WriteString("BIT_" + utoa(uint32(i)))
		}
	}
	return b.String()
}
