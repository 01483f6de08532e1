#!/bin/bash
# scripts/guest.sh fetch [SUITE...]             fetches QEMU, a kernel and busybox, once
# scripts/guest.sh run SOCKET PROGRAM [ARG...]  boots a guest that mounts a vhost-user-fs socket and runs PROGRAM there
#
# The guest is a Debian kernel in QEMU without KVM, up in seconds. PROGRAM runs as root in /mnt, where the share is, with
# /guest in PATH, where PROGRAM and the other files are. Stdout shows the guest's console. The exit code is PROGRAM's;
# 124: not done in time; 125: it did not run, or the guest died. No QEMU outlives the script, however that ends.
#
# Debian suites, with what they have:
#   bookworm            QEMU 7.2, Linux 6.1
#   bookworm-backports  QEMU 10.0, Linux 6.12 (trixie has the same)
#   trixie-backports    QEMU 11.1, Linux 7.3
#
# Environment, with defaults:
#   GUEST_SUITE=bookworm-backports
#   GUEST_CACHE=.tools/guest        where they are kept, 250 MB a suite
#   GUEST_FILES=""                  more files for /guest
#   GUEST_CPUS=1 GUEST_QUEUES=1     virtual CPUs, request queues
#   GUEST_LIMIT=120                 seconds
#   GUEST_REBOOTS=""                anything: a reset boots again and runs PROGRAM again; else it is the guest's end
#   GUEST_ACCEL=tcg,thread=multi    kvm is for hosts whose KVM boots such kernels; not all nested ones do
set -euo pipefail
scripts=$(dirname "$(realpath "$0")")
. "$scripts/lib.sh"
cache=$(realpath -m "${GUEST_CACHE:-$scripts/../.tools/guest}")

# choose SUITE: the one that the functions below mean.
choose() {
	case $1 in
	bookworm | bookworm-backports | trixie | trixie-backports) suite=$1 ;;
	*) die "unknown suite $1: bookworm, bookworm-backports, trixie or trixie-backports" ;;
	esac
	root=$cache/$suite # of the unpacked packages
	lib=$root/usr/lib/x86_64-linux-gnu
}

# mirror RELEASE: where this host's apt gets it from.
mirror() {
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' | awk -v r="$1" '$1 == r { print $2; exit }'
}

# sources: the sources.list that a suite needs, from the host's own mirror.
sources() {
	local base=${suite%-backports} host main security key="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
	host=$(. /etc/os-release && echo "$VERSION_CODENAME")
	main=$(mirror "$host") security=$(mirror "$host-security")
	echo "deb $key ${main:-http://deb.debian.org/debian} $base main"
	echo "deb $key ${security:-http://deb.debian.org/debian-security} $base-security main"
	[ "$base" = "$suite" ] || echo "deb $key ${main:-http://deb.debian.org/debian} $suite main"
}

# unpack DIR: fetches the packages and unpacks them below DIR. Nothing is installed: apt works on a state of its own.
unpack() {
	local new=$1 apt=$1/apt deb release=
	[ "$suite" = "${suite%-backports}" ] || release=$suite # of the others security has newer kernels, which a preference hides
	mkdir -p "$apt"/{state/lists/partial,cache,debs/partial} "$new"/usr/{bin,lib,lib64,sbin}
	ln -s usr/{bin,lib,lib64,sbin} "$new"
	: >"$apt/status"
	sources >"$apt/sources.list"
	local get=(apt-get -q -y -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
		-o Dir::State="$apt/state" -o Dir::State::status="$apt/status"
		-o Dir::Cache="$apt/cache" -o Dir::Cache::archives="$apt/debs"
		-o APT::Default-Release="$release" -o APT::Install-Recommends=false -o APT::Sandbox::User=root
		-o Acquire::Languages=none -o Acquire::Retries=3 -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
	"${get[@]}" update
	"${get[@]}" --download-only install qemu-system-x86 busybox-static linux-image-cloud-amd64
	for deb in "$apt"/debs/*.deb; do # not by dpkg -x, which would make /lib a folder again
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$new" --keep-directory-symlink --exclude=./usr/share/{doc,locale,man}
	done
	mv "$(find "$new" -name 'vmlinuz*' -type f)" "$new/vmlinuz"
	rm -rf "$apt"
}

# fetch: a cache that is complete or not there. A function that runs under || does not end at its first error, so the
# work is done by a script of its own.
fetch() {
	local new=$root.new log=$root.log
	[ "$(uname -m)" = x86_64 ] || die "the guest is built for x86_64 only"
	mkdir -p "$cache"
	exec 9>"$root.lock"
	flock 9
	if [ ! -e "$root" ]; then
		note "fetching QEMU and a kernel of $suite, a minute, once"
		rm -rf "$new"
		GUEST_SUITE=$suite "$0" unpack "$new" >"$log" 2>&1 9>&- || {
			tail -n 5 "$log" >&2
			die "QEMU and a kernel of $suite cannot be fetched (all of it: $log): check the network and apt's sources"
		}
		mv "$new" "$root"
	fi
	exec 9>&-
}

fetch_all() {
	local s p pids=() rc=0
	for s; do
		(choose "$s" && fetch) &
		pids+=($!)
	done
	for p in "${pids[@]}"; do wait "$p" || rc=1; done
	return $rc
}

# bring FILE: a copy in the guest's /guest, and the libraries of a program where it looks for them.
bring() {
	cp -L -- "$1" "$work/root/guest/"
	{ ldd "$1" 2>/dev/null || true; } | awk 'match($0, /\/[^ ]+/) { print substr($0, RSTART, RLENGTH) }' |
		xargs -r cp -L --parents -t "$work/root"
}

# initramfs PROGRAM ARG...: what the guest boots into.
initramfs() {
	local r=$work/root f
	mkdir -p "$r"/{bin,dev,etc,guest,mnt,modules,proc,root,sys,tmp}
	cp "$root/usr/bin/busybox" "$r/bin/"
	install -m 755 "$scripts/guest-init.sh" "$r/init"
	printf '%s\n' root:x:0:0::/root:/bin/sh nobody:x:65534:65534::/:/bin/sh tests:x:1000:1000::/:/bin/sh >"$r/etc/passwd"
	printf '%s:\n' root:x:0 nogroup:x:65534 tests:x:1000 >"$r/etc/group"
	find "$root/usr/lib/modules" \( -name 'virtio*.ko' -o -name fuse.ko \) -exec cp -t "$r/modules" {} +
	for f in "$1" ${GUEST_FILES:-}; do bring "$f"; done
	printf 'set --' >"$r/job"
	printf ' %q' "/guest/$(basename "$1")" "${@:2}" >>"$r/job"
	(cd "$r" && find . | "$root/usr/bin/busybox" cpio -o -H newc 2>/dev/null) >"$work/initramfs"
}

# boot SOCKET: QEMU, by its own suite's loader and libraries, in the background. It dies with this script. QEMU 7.2 damages
# the flags at cmpxchg16b, so the CPU has none.
boot() {
	local reset=shutdown
	[ -z "${GUEST_REBOOTS:-}" ] || reset=reset
	local timers="no_timer_check tsc=reliable" # a busy host is no sign of broken hardware
	setpriv --pdeathsig KILL timeout -s KILL "${GUEST_LIMIT:-120}" setpriv --pdeathsig KILL \
		env QEMU_MODULE_DIR="$lib/qemu" "$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$root/usr/bin/qemu-system-x86_64" \
		-L "$root/usr/share/qemu" -L "$root/usr/share/seabios" \
		-nodefaults -no-user-config -action "reboot=$reset" -display none -monitor none \
		-machine q35 -accel "${GUEST_ACCEL:-tcg,thread=multi}" -cpu max,-cx16 -smp "${GUEST_CPUS:-1}" -m 512M \
		-object memory-backend-memfd,id=memory,size=512M,share=on -numa node,memdev=memory \
		-chardev "socket,id=share,path=$1" \
		-device "vhost-user-fs-pci,chardev=share,tag=share,queue-size=1024,num-request-queues=${GUEST_QUEUES:-1}" \
		-serial stdio -serial "file:$work/status" \
		-kernel "$root/vmlinuz" -initrd "$work/initramfs" -append "console=ttyS0 panic=-1 quiet $timers" </dev/null &
	qemu=$!
}

run() {
	local socket=$1 rc=0 i
	(fetch) || exit 125
	work=$(mktemp -d) qemu=
	trap '[ -z "$qemu" ] || { kill -KILL "$qemu" && wait "$qemu"; } 2>/dev/null || true; rm -rf "$work"' EXIT
	trap 'exit 125' INT TERM HUP
	initramfs "${@:2}"
	: >"$work/status"
	for ((i = 0; i < 100; i++)); do [ ! -S "$socket" ] || break; sleep 0.1; done
	boot "$socket"
	wait "$qemu" 2>/dev/null || rc=$?
	qemu=
	[ $rc != 137 ] || { note "the guest was killed after $SECONDS s, GUEST_LIMIT is ${GUEST_LIMIT:-120}"; exit 124; }
	rc=$(tr -dc 0-9 <"$work/status")
	[ -n "$rc" ] || { note "the guest ended without a word of the program: a panic (above), or QEMU failed"; exit 125; }
	exit "$rc"
}

choose "${GUEST_SUITE:-bookworm-backports}"
case ${1:-}:$# in
fetch:1) fetch_all bookworm bookworm-backports trixie-backports ;;
fetch:*) shift && fetch_all "$@" ;;
unpack:2) unpack "$2" ;; # for fetch
run:[12]) die "usage: guest.sh run SOCKET PROGRAM [ARG...]" ;;
run:*) shift && run "$@" ;;
*) die "usage: guest.sh fetch [SUITE...] | run SOCKET PROGRAM [ARG...]" ;;
esac
