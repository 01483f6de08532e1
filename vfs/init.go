package vfs

import "github.com/fastfsd/fastfsd/abi"

// Negotiated is what both sides agreed on in INIT.
type Negotiated struct {
	Minor        uint32        // the smaller of the two
	Offered      abi.InitFlags // by the peer
	Flags        abi.InitFlags
	MaxWrite     uint32 // bytes
	MaxPages     uint16
	MaxReadahead uint32 // bytes
}

// Negotiated is the zero value before INIT.
func (c *Conn) Negotiated() Negotiated {
	if n := c.neg.Load(); n != nil {
		return *n
	}
	return Negotiated{}
}

func (c *Conn) flags() abi.InitFlags {
	if n := c.neg.Load(); n != nil {
		return n.Flags
	}
	return 0
}

// Payload is the memory that a request's or a reply's payload may need, bytes: never less than FUSE's minimum.
func (n Negotiated) Payload() int {
	return max(minPages*pageSize, int(n.MaxWrite), int(n.MaxPages)*pageSize)
}

// control answers what is about the connection rather than a file system.
func (c *Conn) control(op *Op) (Verdict, bool) {
	switch op.hdr.Opcode {
	case abi.OpForget:
		c.forget(op.hdr.NodeID, op.args.Forget().Nlookup)
		return Silent, true
	case abi.OpBatchForget:
		it := abi.NewForgets(op.args.BatchForget().Count, op.data)
		for node, n, ok := it.Next(); ok; node, n, ok = it.Next() {
			c.forget(node, n)
		}
		return Silent, true
	case abi.OpInterrupt:
		c.flight.interrupt(op.args.Interrupt().Unique)
		return Silent, true
	case abi.OpNotifyReply:
		return Silent, true
	case abi.OpInit:
		e := c.init(op)
		op.err = e
		return Reply, true
	case abi.OpDestroy:
		c.drop(false)
		op.n = 0
		return Reply, true
	}
	if c.neg.Load() == nil {
		return c.fail(op, EIO), true // a request before INIT
	}
	return 0, false
}

// init answers INIT. A second one starts afresh: everything that the peer held is dropped.
func (c *Conn) init(op *Op) Errno {
	in := op.args.Init()
	op.n = 0
	if in.Major < abi.KernelVersion || in.Major == abi.KernelVersion && in.Minor < abi.MinMinor {
		return EPROTO
	}
	if in.Major > abi.KernelVersion { // the peer asks again with our major version
		op.n = put(op, &abi.InitOut{Major: abi.KernelVersion, Minor: abi.KernelMinor})
		return OK
	}
	again := c.neg.Load() != nil
	if again {
		c.drop(false)
	}
	n := &Negotiated{Minor: min(in.Minor, abi.KernelMinor), Offered: abi.JoinInitFlags(in.Flags, in.Flags2)}
	n.Flags = n.Offered & c.wants()
	n.MaxPages, n.MaxWrite = c.opts.maxPages(), c.opts.maxWrite()
	if n.Flags&abi.InitMaxPages == 0 {
		n.MaxPages = minPages
		n.MaxWrite = min(n.MaxWrite, minPages*pageSize)
	}
	n.MaxReadahead = in.MaxReadahead
	if c.opts.MaxReadahead > 0 {
		n.MaxReadahead = min(n.MaxReadahead, c.opts.MaxReadahead)
	}
	op.n = put(op, c.initOut(n))
	c.neg.Store(n)
	if !again {
		c.root.Attach(c)
	}
	return OK
}

func (c *Conn) initOut(n *Negotiated) *abi.InitOut {
	bg := c.opts.MaxBackground
	if bg == 0 {
		bg = defaultMaxBg
	}
	congestion := c.opts.CongestionThreshold
	if congestion == 0 {
		congestion = uint16(uint32(bg) * 3 / 4)
	}
	out := &abi.InitOut{
		Major: abi.KernelVersion, Minor: abi.KernelMinor, MaxReadahead: n.MaxReadahead, MaxBackground: bg,
		CongestionThreshold: congestion, MaxWrite: n.MaxWrite, TimeGran: 1, MaxPages: n.MaxPages,
	}
	if n.Flags&abi.InitRequestTimeout != 0 {
		out.RequestTimeout = c.opts.RequestTimeout
	}
	out.Flags, out.Flags2 = n.Flags.Split()
	return out
}

// alwaysWanted is what costs nothing and is right for every file system.
const alwaysWanted = abi.InitAsyncRead | abi.InitBigWrites | abi.InitParallelDirops | abi.InitAsyncDio | abi.InitHasIoctlDir |
	abi.InitMaxPages | abi.InitInitExt | abi.InitSetxattrExt | abi.InitHasExpireOnly | abi.InitHasResend |
	abi.InitDirectIOAllowMmap | abi.InitNoExportSupport

// wants is the one place where features are chosen. Each line is a profile decision of docs/architecture.md.
func (c *Conn) wants() abi.InitFlags {
	o, f := &c.opts, abi.InitFlags(alwaysWanted)
	on := func(cond bool, bits abi.InitFlags) {
		if cond {
			f |= bits
		}
	}
	on(o.Uring, abi.InitOverIOUring)
	on(o.Writeback, abi.InitWritebackCache)
	on(o.NoOpen, abi.InitNoOpenSupport)
	on(o.NoOpendir, abi.InitNoOpendirSupport)
	on(o.AtomicTrunc, abi.InitAtomicOTrunc)
	on(o.PosixACL, abi.InitPosixACL|abi.InitDontMask)
	on(o.SecurityCtx, abi.InitSecurityCtx)
	on(!o.LocalLocks && (c.root.Setlk != nil || o.Composite), abi.InitPosixLocks|abi.InitFlockLocks)
	on(!o.KeepPriv, abi.InitHandleKillprivV2)
	on(!o.NoSuppGroups, abi.InitCreateSuppGroup)
	on(!o.NoLinkCache, abi.InitCacheSymlinks)
	on(!o.ExplicitData, abi.InitAutoInvalData)
	on(o.ExplicitData, abi.InitExplicitInvalData)
	on(o.Idmap, abi.InitAllowIdmap)
	on(o.RequestTimeout > 0, abi.InitRequestTimeout)
	on(o.Readdirplus != ReaddirplusOff, abi.InitDoReaddirplus)
	on(o.Readdirplus == ReaddirplusAuto, abi.InitReaddirplusAuto)
	return f
}
