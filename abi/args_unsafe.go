package abi

import "unsafe"

// Typed views of the argument. Each is valid for the opcodes that carry it, until the next Load.

func (a *Args) Forget() *ForgetIn               { return (*ForgetIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Getattr() *GetattrIn             { return (*GetattrIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Setattr() *SetattrIn             { return (*SetattrIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Mknod() *MknodIn                 { return (*MknodIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Mkdir() *MkdirIn                 { return (*MkdirIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Rename() *RenameIn               { return (*RenameIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Rename2() *Rename2In             { return (*Rename2In)(unsafe.Pointer(&a.B)) }
func (a *Args) Link() *LinkIn                   { return (*LinkIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Open() *OpenIn                   { return (*OpenIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Create() *CreateIn               { return (*CreateIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Read() *ReadIn                   { return (*ReadIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Write() *WriteIn                 { return (*WriteIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Release() *ReleaseIn             { return (*ReleaseIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Fsync() *FsyncIn                 { return (*FsyncIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Setxattr() *SetxattrIn           { return (*SetxattrIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Getxattr() *GetxattrIn           { return (*GetxattrIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Flush() *FlushIn                 { return (*FlushIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Init() *InitIn                   { return (*InitIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Lk() *LkIn                       { return (*LkIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Access() *AccessIn               { return (*AccessIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Interrupt() *InterruptIn         { return (*InterruptIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Bmap() *BmapIn                   { return (*BmapIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Ioctl() *IoctlIn                 { return (*IoctlIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Poll() *PollIn                   { return (*PollIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Fallocate() *FallocateIn         { return (*FallocateIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Lseek() *LseekIn                 { return (*LseekIn)(unsafe.Pointer(&a.B)) }
func (a *Args) CopyFileRange() *CopyFileRangeIn { return (*CopyFileRangeIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Setupmapping() *SetupmappingIn   { return (*SetupmappingIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Removemapping() *RemovemappingIn { return (*RemovemappingIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Syncfs() *SyncfsIn               { return (*SyncfsIn)(unsafe.Pointer(&a.B)) }
func (a *Args) Statx() *StatxIn                 { return (*StatxIn)(unsafe.Pointer(&a.B)) }
func (a *Args) BatchForget() *BatchForgetIn     { return (*BatchForgetIn)(unsafe.Pointer(&a.B)) }
func (a *Args) NotifyReply() *NotifyRetrieveIn  { return (*NotifyRetrieveIn)(unsafe.Pointer(&a.B)) }

// Load copies the header. False: b is shorter than one.
func (h *InHeader) Load(b []byte) bool {
	if len(b) < HeaderSize {
		return false
	}
	copy((*[HeaderSize]byte)(unsafe.Pointer(h))[:], b)
	return true
}

// Bytes shows a wire struct as the bytes that go over the wire. T holds no pointers and no padding.
func Bytes[T any](v *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }

// Decode copies a wire struct out of b, which may be unaligned. False: b is too short.
func Decode[T any](v *T, b []byte) bool {
	d := Bytes(v)
	if len(b) < len(d) {
		return false
	}
	copy(d, b)
	return true
}
