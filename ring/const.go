package ring

// Flags of Config.Flags: IORING_SETUP_* of include/uapi/linux/io_uring.h. Polled modes (IOPOLL, SQPOLL) are refused by
// New: their submission protocol differs and the loops have no use for it.
const (
	SetupClamp        uint32 = 1 << 4  // clamp too large sizes instead of EINVAL (5.6)
	SetupRDisabled    uint32 = 1 << 6  // start disabled, for restrictions; then Enable (5.10)
	SetupSubmitAll    uint32 = 1 << 7  // go on submitting after an entry failed (5.18)
	SetupCoopTaskrun  uint32 = 1 << 8  // no interrupt to run task work (5.19)
	SetupTaskrunFlag  uint32 = 1 << 9  // say in the SQ flags that task work waits (5.19)
	SetupSQE128       uint32 = 1 << 10 // 128-byte SQEs, as FUSE-over-io_uring needs (5.19)
	SetupCQE32        uint32 = 1 << 11 // 32-byte CQEs (5.19)
	SetupSingleIssuer uint32 = 1 << 12 // only the owner thread submits (6.0)
	SetupDeferTaskrun uint32 = 1 << 13 // task work only inside enter (6.1); needs SetupSingleIssuer
	SetupNoSQArray    uint32 = 1 << 16 // no indirection array in the SQ (6.6)

	setupIOPoll uint32 = 1 << 0
	setupSQPoll uint32 = 1 << 1
	setupCQSize uint32 = 1 << 3
)

// Bits of Ring.Features: IORING_FEAT_*.
const (
	FeatSingleMmap   uint32 = 1 << 0  // SQ and CQ share one mapping (5.4)
	FeatNoDrop       uint32 = 1 << 1  // completions are kept when the CQ is full (5.5)
	FeatSubmitStable uint32 = 1 << 2  // SQE arguments are read at submission (5.5)
	FeatExtArg       uint32 = 1 << 8  // enter takes a timeout (5.11)
	FeatCQESkip      uint32 = 1 << 11 // SQECQESkipSuccess works (5.17)
)

// Flags of an SQE (SQE.Flags, SetFlags): IOSQE_*.
const (
	SQEFixedFile      uint8 = 1 << 0 // Fd is an index into the registered files
	SQEIODrain        uint8 = 1 << 1 // wait for everything submitted before
	SQEIOLink         uint8 = 1 << 2 // the next entry starts when this one succeeded
	SQEIOHardlink     uint8 = 1 << 3 // the next entry starts when this one ended
	SQEAsync          uint8 = 1 << 4 // straight to a worker thread
	SQEBufferSelect   uint8 = 1 << 5 // take a buffer of group BufIndex
	SQECQESkipSuccess uint8 = 1 << 6 // post no completion on success
)

// Flags of a CQE: IORING_CQE_F_*.
const (
	CQEBuffer       uint32 = 1 << 0 // the upper 16 bits are a buffer id
	CQEMore         uint32 = 1 << 1 // the multishot operation goes on
	CQESockNonempty uint32 = 1 << 2 // there is more to read on the socket
	CQENotif        uint32 = 1 << 3 // notification of a zero-copy send
	CQEBufMore      uint32 = 1 << 4 // the buffer was used in part and stays with the kernel

	cqeBufferShift = 16
)

// Op is an operation of an SQE: IORING_OP_*.
type Op = uint8

// Operations that have a preparation method, and a few that callers list in Restrictions.
const (
	OpNop           Op = 0
	OpReadv         Op = 1
	OpWritev        Op = 2
	OpFsync         Op = 3
	OpReadFixed     Op = 4
	OpWriteFixed    Op = 5
	OpPollAdd       Op = 6
	OpPollRemove    Op = 7
	OpTimeout       Op = 11
	OpTimeoutRemove Op = 12
	OpAsyncCancel   Op = 14
	OpLinkTimeout   Op = 15
	OpFallocate     Op = 17
	OpOpenat        Op = 18
	OpClose         Op = 19
	OpStatx         Op = 21
	OpRead          Op = 22
	OpWrite         Op = 23
	OpOpenat2       Op = 28
	OpSplice        Op = 30
	OpMsgRing       Op = 40
	OpUringCmd      Op = 46
	OpReadMultishot Op = 49
)

// RegisterOp is an operation of io_uring_register(2), as listed in Restrictions.Registers: IORING_REGISTER_*.
type RegisterOp = uint8

// The register operations this package uses.
const (
	RegBuffers            RegisterOp = 0
	RegUnregisterBuffers  RegisterOp = 1
	RegFiles              RegisterOp = 2
	RegUnregisterFiles    RegisterOp = 3
	RegFilesUpdate        RegisterOp = 6
	RegProbe              RegisterOp = 8
	RegPersonality        RegisterOp = 9
	RegUnregPersonality   RegisterOp = 10
	RegRestrictions       RegisterOp = 11
	RegEnableRings        RegisterOp = 12
	RegFiles2             RegisterOp = 13
	RegIOWQAff            RegisterOp = 17
	RegUnregIOWQAff       RegisterOp = 18
	RegIOWQMaxWorkers     RegisterOp = 19
	RegRingFds            RegisterOp = 20
	RegUnregRingFds       RegisterOp = 21
	RegPbufRing           RegisterOp = 22
	RegUnregPbufRing      RegisterOp = 23
	RegSendMsgRing        RegisterOp = 31
	regFilesSkip          int32      = -2 // IORING_REGISTER_FILES_SKIP
	rsrcRegisterSparse    uint32     = 1  // IORING_RSRC_REGISTER_SPARSE
	opSupported           uint16     = 1  // IO_URING_OP_SUPPORTED
	enterGetEvents        uint32     = 1 << 0
	enterExtArg           uint32     = 1 << 3
	enterRegisteredRing   uint32     = 1 << 4
	offSQRing             int64      = 0
	offSQEs               int64      = 0x10000000
	restrictRegisterOp    uint16     = 0
	restrictSQEOp         uint16     = 1
	restrictSQEFlags      uint16     = 2
	restrictSQEFlagsMust  uint16     = 3
	msgRingData           uint64     = 0 // IORING_MSG_DATA
	pollAddMulti          uint32     = 1 // IORING_POLL_ADD_MULTI
	spliceFdInFixed       uint32     = 1 << 31
	noRegisteredRingIndex            = ^uint32(0)
)

// FileSkip in the list given to UpdateFiles leaves that slot as it is.
const FileSkip = regFilesSkip

// Flags of SQE.Cancel: IORING_ASYNC_CANCEL_*.
const (
	CancelAll     uint32 = 1 << 0 // every match, not only the first
	CancelFd      uint32 = 1 << 1 // match by file, not by user data
	CancelAny     uint32 = 1 << 2 // match everything
	CancelFdFixed uint32 = 1 << 3 // the file is a registered one
)

// Flags of SQE.Timeout: IORING_TIMEOUT_*.
const (
	TimeoutAbs       uint32 = 1 << 0 // the time is a point, not a span
	TimeoutBoottime  uint32 = 1 << 2 // CLOCK_BOOTTIME
	TimeoutRealtime  uint32 = 1 << 3 // CLOCK_REALTIME
	TimeoutETIMESucc uint32 = 1 << 5 // expiry does not break a link
	TimeoutMultishot uint32 = 1 << 6 // fire again and again
	FsyncDatasync    uint32 = 1 << 0 // SQE.Fsync: fdatasync(2)
	MsgRingCQESkip   uint32 = 1 << 0 // SQE.MsgRing: no completion at the sender
)
