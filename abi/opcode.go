package abi

// Opcode is enum fuse_opcode (include/uapi/linux/fuse.h).
type Opcode uint32

// The opcodes of FUSE 7.45.
const (
	OpLookup          Opcode = 1
	OpForget          Opcode = 2
	OpGetattr         Opcode = 3
	OpSetattr         Opcode = 4
	OpReadlink        Opcode = 5
	OpSymlink         Opcode = 6
	OpMknod           Opcode = 8
	OpMkdir           Opcode = 9
	OpUnlink          Opcode = 10
	OpRmdir           Opcode = 11
	OpRename          Opcode = 12
	OpLink            Opcode = 13
	OpOpen            Opcode = 14
	OpRead            Opcode = 15
	OpWrite           Opcode = 16
	OpStatfs          Opcode = 17
	OpRelease         Opcode = 18
	OpFsync           Opcode = 20
	OpSetxattr        Opcode = 21
	OpGetxattr        Opcode = 22
	OpListxattr       Opcode = 23
	OpRemovexattr     Opcode = 24
	OpFlush           Opcode = 25
	OpInit            Opcode = 26
	OpOpendir         Opcode = 27
	OpReaddir         Opcode = 28
	OpReleasedir      Opcode = 29
	OpFsyncdir        Opcode = 30
	OpGetlk           Opcode = 31
	OpSetlk           Opcode = 32
	OpSetlkw          Opcode = 33
	OpAccess          Opcode = 34
	OpCreate          Opcode = 35
	OpInterrupt       Opcode = 36
	OpBmap            Opcode = 37
	OpDestroy         Opcode = 38
	OpIoctl           Opcode = 39
	OpPoll            Opcode = 40
	OpNotifyReply     Opcode = 41
	OpBatchForget     Opcode = 42
	OpFallocate       Opcode = 43
	OpReaddirplus     Opcode = 44
	OpRename2         Opcode = 45
	OpLseek           Opcode = 46
	OpCopyFileRange   Opcode = 47
	OpSetupmapping    Opcode = 48
	OpRemovemapping   Opcode = 49
	OpSyncfs          Opcode = 50
	OpTmpfile         Opcode = 51
	OpStatx           Opcode = 52
	OpCopyFileRange64 Opcode = 53

	// OpMax is the highest opcode known.
	OpMax = OpCopyFileRange64
)

var opNames = [OpMax + 1]string{
	OpLookup:          "LOOKUP",
	OpForget:          "FORGET",
	OpGetattr:         "GETATTR",
	OpSetattr:         "SETATTR",
	OpReadlink:        "READLINK",
	OpSymlink:         "SYMLINK",
	OpMknod:           "MKNOD",
	OpMkdir:           "MKDIR",
	OpUnlink:          "UNLINK",
	OpRmdir:           "RMDIR",
	OpRename:          "RENAME",
	OpLink:            "LINK",
	OpOpen:            "OPEN",
	OpRead:            "READ",
	OpWrite:           "WRITE",
	OpStatfs:          "STATFS",
	OpRelease:         "RELEASE",
	OpFsync:           "FSYNC",
	OpSetxattr:        "SETXATTR",
	OpGetxattr:        "GETXATTR",
	OpListxattr:       "LISTXATTR",
	OpRemovexattr:     "REMOVEXATTR",
	OpFlush:           "FLUSH",
	OpInit:            "INIT",
	OpOpendir:         "OPENDIR",
	OpReaddir:         "READDIR",
	OpReleasedir:      "RELEASEDIR",
	OpFsyncdir:        "FSYNCDIR",
	OpGetlk:           "GETLK",
	OpSetlk:           "SETLK",
	OpSetlkw:          "SETLKW",
	OpAccess:          "ACCESS",
	OpCreate:          "CREATE",
	OpInterrupt:       "INTERRUPT",
	OpBmap:            "BMAP",
	OpDestroy:         "DESTROY",
	OpIoctl:           "IOCTL",
	OpPoll:            "POLL",
	OpNotifyReply:     "NOTIFY_REPLY",
	OpBatchForget:     "BATCH_FORGET",
	OpFallocate:       "FALLOCATE",
	OpReaddirplus:     "READDIRPLUS",
	OpRename2:         "RENAME2",
	OpLseek:           "LSEEK",
	OpCopyFileRange:   "COPY_FILE_RANGE",
	OpSetupmapping:    "SETUPMAPPING",
	OpRemovemapping:   "REMOVEMAPPING",
	OpSyncfs:          "SYNCFS",
	OpTmpfile:         "TMPFILE",
	OpStatx:           "STATX",
	OpCopyFileRange64: "COPY_FILE_RANGE_64",
}

// Known says whether the opcode has a name.
func (o Opcode) Known() bool { return o <= OpMax && opNames[o] != "" }

// String is the kernel's name, without its prefix.
func (o Opcode) String() string {
	if o.Known() {
		return opNames[o]
	}
	return "OPCODE_" + utoa(uint32(o))
}

func utoa(v uint32) string {
	var b [10]byte
	i := len(b)
	for ok := true; ok; ok = v > 0 {
		i--
		b[i] = byte('0' + v%10)
		v /= 10
	}
	return string(b[i:])
}
