package abi

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/cilium/ebpf/btf"
)

// wire is all wire structs by the kernel's names. DAX's three are not used by a kernel without it and so not in every
// kernel's type information.
var wire = map[string]any{
	"fuse_in_header": InHeader{}, "fuse_out_header": OutHeader{}, "fuse_attr": Attr{}, "fuse_sx_time": SxTime{},
	"fuse_statx": Statx{}, "fuse_kstatfs": Kstatfs{}, "fuse_file_lock": FileLock{}, "fuse_entry_out": EntryOut{},
	"fuse_forget_in": ForgetIn{}, "fuse_forget_one": ForgetOne{}, "fuse_batch_forget_in": BatchForgetIn{},
	"fuse_getattr_in": GetattrIn{}, "fuse_attr_out": AttrOut{}, "fuse_statx_in": StatxIn{}, "fuse_statx_out": StatxOut{},
	"fuse_mknod_in": MknodIn{}, "fuse_mkdir_in": MkdirIn{}, "fuse_rename2_in": Rename2In{}, "fuse_link_in": LinkIn{},
	"fuse_setattr_in": SetattrIn{}, "fuse_open_in": OpenIn{}, "fuse_create_in": CreateIn{}, "fuse_open_out": OpenOut{},
	"fuse_release_in": ReleaseIn{}, "fuse_flush_in": FlushIn{}, "fuse_read_in": ReadIn{}, "fuse_write_in": WriteIn{},
	"fuse_write_out": WriteOut{}, "fuse_statfs_out": StatfsOut{}, "fuse_fsync_in": FsyncIn{},
	"fuse_setxattr_in": SetxattrIn{}, "fuse_getxattr_in": GetxattrIn{}, "fuse_getxattr_out": GetxattrOut{},
	"fuse_lk_in": LkIn{}, "fuse_lk_out": LkOut{}, "fuse_access_in": AccessIn{}, "fuse_init_in": InitIn{},
	"fuse_init_out": InitOut{}, "fuse_interrupt_in": InterruptIn{}, "fuse_bmap_in": BmapIn{}, "fuse_bmap_out": BmapOut{},
	"fuse_ioctl_in": IoctlIn{}, "fuse_ioctl_iovec": IoctlIovec{}, "fuse_ioctl_out": IoctlOut{}, "fuse_poll_in": PollIn{},
	"fuse_poll_out": PollOut{}, "fuse_notify_poll_wakeup_out": NotifyPollWakeupOut{}, "fuse_fallocate_in": FallocateIn{},
	"fuse_dirent": Dirent{}, "fuse_direntplus": Direntplus{}, "fuse_notify_inval_inode_out": NotifyInvalInodeOut{},
	"fuse_notify_inval_entry_out": NotifyInvalEntryOut{}, "fuse_notify_delete_out": NotifyDeleteOut{},
	"fuse_notify_prune_out": NotifyPruneOut{}, "fuse_notify_store_out": NotifyStoreOut{},
	"fuse_notify_retrieve_out": NotifyRetrieveOut{}, "fuse_notify_retrieve_in": NotifyRetrieveIn{},
	"fuse_backing_map": BackingMap{}, "fuse_lseek_in": LseekIn{}, "fuse_lseek_out": LseekOut{},
	"fuse_copy_file_range_in": CopyFileRangeIn{}, "fuse_copy_file_range_out": CopyFileRangeOut{},
	"fuse_syncfs_in": SyncfsIn{}, "fuse_ext_header": ExtHeader{}, "fuse_supp_groups": SuppGroups{},
	"fuse_secctx_header": SecctxHeader{}, "fuse_secctx": Secctx{}, "fuse_uring_ent_in_out": UringEntInOut{},
	"fuse_uring_req_header": UringReqHeader{}, "fuse_uring_cmd_req": UringCmdReq{},
}

// flexible are arrays of no size at the end of kernel structs.
var flexible = map[string]bool{"fuse_dirent.name": true, "fuse_supp_groups.groups": true}

func kernel(t *testing.T) *btf.Spec {
	spec, err := btf.LoadKernelSpec()
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, btf.ErrNotFound) {
		t.Skip("this kernel has no type information: nothing to compare with")
	}
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// plain is a member's name without case and underscores.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

func TestStructsAreTheKernels(t *testing.T) {
	spec := kernel(t)
	for name, v := range wire {
		var s *btf.Struct
		if err := spec.TypeByName(name, &s); err != nil {
			t.Logf("%s: not in this kernel: %v", name, err)
			continue
		}
		compareStruct(t, name, s, reflect.TypeOf(v))
	}
}

func compareStruct(t *testing.T, name string, s *btf.Struct, g reflect.Type) {
	if uint32(g.Size()) != s.Size {
		t.Errorf("%s: %d bytes, the kernel has %d", name, g.Size(), s.Size)
	}
	fields := map[string]reflect.StructField{}
	for i := range g.NumField() {
		if f := g.Field(i); f.Name != "_" {
			fields[plain(f.Name)] = f
		}
	}
	for _, m := range s.Members {
		if flexible[name+"."+m.Name] {
			continue
		}
		f, ok := fields[plain(m.Name)]
		if !ok {
			t.Errorf("%s.%s: missing", name, m.Name)
			continue
		}
		delete(fields, plain(m.Name))
		size, err := btf.Sizeof(m.Type)
		if err != nil {
			t.Errorf("%s.%s: %v", name, m.Name, err)
		}
		if uint32(f.Offset) != m.Offset.Bytes() || int(f.Type.Size()) != size {
			t.Errorf("%s.%s: %d bytes at %d, the kernel has %d at %d", name, m.Name, f.Type.Size(), f.Offset, size, m.Offset.Bytes())
		}
	}
	for n := range fields {
		t.Errorf("%s: the kernel has no member %s", name, n)
	}
}

func TestEnumsAreTheKernels(t *testing.T) {
	spec := kernel(t)
	got := map[string]map[string]uint64{
		"fuse_notify_code": {
			"FUSE_NOTIFY_POLL": NotifyPoll, "FUSE_NOTIFY_INVAL_INODE": NotifyInvalInode, "FUSE_NOTIFY_INVAL_ENTRY": NotifyInvalEntry,
			"FUSE_NOTIFY_STORE": NotifyStore, "FUSE_NOTIFY_RETRIEVE": NotifyRetrieve, "FUSE_NOTIFY_DELETE": NotifyDelete,
			"FUSE_NOTIFY_RESEND": NotifyResend, "FUSE_NOTIFY_INC_EPOCH": NotifyIncEpoch, "FUSE_NOTIFY_PRUNE": NotifyPrune,
		},
		"fuse_uring_cmd": {
			"FUSE_IO_URING_CMD_INVALID": 0, "FUSE_IO_URING_CMD_REGISTER": UringCmdRegister,
			"FUSE_IO_URING_CMD_COMMIT_AND_FETCH": UringCmdCommitAndFetch,
		},
		"fuse_ext_type": {"FUSE_MAX_NR_SECCTX": MaxNrSecctx, "FUSE_EXT_GROUPS": ExtGroups},
		"fuse_opcode":   {},
	}
	for op := range OpMax + 1 {
		if op.Known() {
			got["fuse_opcode"]["FUSE_"+op.String()] = uint64(op)
		}
	}
	for enum, ours := range got {
		var e *btf.Enum
		if err := spec.TypeByName(enum, &e); err != nil {
			t.Logf("%s: not in this kernel: %v", enum, err)
			continue
		}
		for _, v := range e.Values {
			if strings.HasSuffix(v.Name, "_CODE_MAX") || strings.HasPrefix(v.Name, "CUSE_") || strings.HasSuffix(v.Name, "_RESERVED") {
				continue
			}
			if n, ok := ours[v.Name]; !ok || n != v.Value {
				t.Errorf("%s = %d: ours is %d (known: %v)", v.Name, v.Value, n, ok)
			}
		}
	}
}
