#!/bin/bash
# scripts/setup.sh [demo|test|stress]
#
# Makes a Debian machine with Go ready: packages, users, FUSE over io_uring. It may be called any number of times and is
# quick when nothing is to do. What it cannot repair it names in a sentence, and exits with 1.
#
#   demo    what building and mounting needs (the default)
#   test    and what `make test` needs
#   stress  and the load generators of `make stress`
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
purpose=${1:-demo}

check_go() {
	local have
	command -v go >/dev/null || die "go is not in PATH: install Go 1.26 or newer from https://go.dev/dl/ and put its bin folder in PATH"
	have=$(go env GOVERSION) || die "\`go env\` fails: repair the Go installation, 1.26 or newer is needed"
	[ "$(printf 'go1.26\n%s\n' "$have" | sort -V | head -1)" = go1.26 ] ||
		die "$have is too old: install Go 1.26 or newer from https://go.dev/dl/"
}

packages() {
	local p="attr ca-certificates fuse3 git"
	[ "$purpose" = demo ] || p+=" acl e2fsprogs fio gcc libacl1-dev libc6-dev"
	[ "$purpose" != stress ] || p+=" bc bonnie++ dbench perl postmark stress-ng"
	# shellcheck disable=SC2086
	install_packages $p
}

# The POSIX suite acts as these two.
users() {
	local u
	for u in nobody tests; do
		getent passwd "$u" >/dev/null ||
			useradd --system --no-create-home --user-group --home-dir /nonexistent --shell /usr/sbin/nologin "$u" ||
			die "user $u cannot be created: create it by hand (useradd --system $u)"
	done
}

fuse() {
	[ -e /dev/fuse ] || modprobe fuse 2>/dev/null || true
	[ -c /dev/fuse ] || die "/dev/fuse is missing: load the module (modprobe fuse), or start the container with --device /dev/fuse"
	(: <>/dev/fuse) 2>/dev/null || die "/dev/fuse cannot be opened: the container needs --device /dev/fuse and --cap-add SYS_ADMIN"
	mountpoint -q /sys/fs/fuse/connections || mount -t fusectl fusectl /sys/fs/fuse/connections 2>/dev/null ||
		note "/sys/fs/fuse/connections cannot be mounted: a hung mount cannot be aborted here"
}

io_uring() {
	local off=/proc/sys/kernel/io_uring_disabled
	if [ -r $off ]; then
		[ "$(<$off)" != 2 ] || die "io_uring is switched off: sysctl -w kernel.io_uring_disabled=0"
	elif ! grep -q 'sys_io_uring_setup$' /proc/kallsyms 2>/dev/null; then
		die "this kernel has no io_uring: boot one with CONFIG_IO_URING=y, 6.1 or newer"
	fi
}

# FUSE over io_uring. The tests want every transport; a demo works without.
fuse_over_io_uring() {
	local sw=/sys/module/fuse/parameters/enable_uring complain=note
	[ "$purpose" = demo ] || complain=die
	if [ ! -e $sw ]; then
		$complain "this kernel ($(uname -r)) has no FUSE over io_uring: boot 6.14 or newer with CONFIG_FUSE_IO_URING=y"
		return 0
	fi
	[ "$(<$sw)" = Y ] || { echo Y >$sw; } 2>/dev/null ||
		$complain "FUSE over io_uring is off and $sw cannot be written: boot with fuse.enable_uring=1"
}

case $purpose in demo | test | stress) ;; *) die "unknown purpose $purpose: demo, test or stress" ;; esac
[ "$(uname -s)" = Linux ] || die "mounting needs Linux; elsewhere the packages only compile (go build ./...)"
need_root "to mount"
check_go
packages
fuse
io_uring
fuse_over_io_uring
[ "$purpose" = demo ] || { users; scripts/pjdfstest.sh install; }
# shellcheck disable=SC2086
[ "$purpose" != test ] || scripts/guest.sh fetch ${FASTFSD_GUESTS:-bookworm-backports}
