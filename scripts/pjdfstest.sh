#!/bin/bash
# scripts/pjdfstest.sh install            builds the POSIX suite into .tools/bin, once
# scripts/pjdfstest.sh run DIR [PATTERN…] runs it in DIR, with a tmpfs as the second file system
#
# The suite is the crate pjdfstest. `make test` runs it in test/suites; `run` is for a look by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
version=0.2.2 rust=1.85
bin=$PWD/.tools/bin/pjdfstest

# find_cargo prints a cargo that is new enough; nothing if there is none.
find_cargo() {
	local c v
	for c in cargo "${CARGO_HOME:-${HOME:-/root}/.cargo}/bin/cargo" /usr/bin/cargo; do
		v=$("$c" --version 2>/dev/null | awk '{ print $2 }') || continue
		[ -n "$v" ] && [ "$(printf '%s\n' "$rust" "$v" | sort -V | head -1)" = "$rust" ] && { command -v "$c"; return; }
	done
	return 0
}

# Debian 12's own cargo is too old; its cargo-web and rustc-web, kept fresh for browsers, are not.
install_cargo() {
	local p
	install_packages cargo-web rustc-web && p=$(find_cargo) && [ -n "$p" ] ||
		die "no cargo of version $rust or newer: install Rust from https://rustup.rs, then start again"
	printf '%s\n' "$p"
}

install_suite() {
	local cargo log=.tools/pjdfstest.log
	[ "$("$bin" --version 2>/dev/null)" != "pjdfstest $version" ] || return 0
	mkdir -p .tools
	exec 9>.tools/lock
	flock 9
	[ "$("$bin" --version 2>/dev/null)" != "pjdfstest $version" ] || return 0
	cargo=$(find_cargo)
	[ -n "$cargo" ] || cargo=$(install_cargo)
	note "building pjdfstest $version, a minute, once"
	PATH=$(dirname "$cargo"):$PATH "$cargo" install "pjdfstest@$version" --locked --force --root .tools >$log 2>&1 9>&- || {
		tail -20 $log >&2
		die "pjdfstest does not build (all of it: $log): check the network, and that libacl1-dev and gcc are installed"
	}
}

run_suite() {
	local dir rc=0 tmp
	dir=$(realpath "${1:?usage: pjdfstest.sh run DIR [PATTERN...]}") && shift
	need_root "for the POSIX suite, which changes users"
	# The suite builds a path of PATH_MAX bytes and miscounts when what it adds divides by 127.
	while (((4095 - ${#dir} - 22) % 127 < 2)); do dir+=/p && mkdir -p "$dir"; done
	tmp=$(mktemp -d)
	mount -t tmpfs tmpfs "$tmp"
	"$bin" -c test/suites/pjdfstest.toml -p "$dir" -s "$tmp" "$@" || rc=$?
	umount "$tmp" && rmdir "$tmp"
	return $rc
}

case ${1:-} in
install) install_suite ;;
run) shift && install_suite && run_suite "$@" ;;
*) die "usage: pjdfstest.sh install | run DIR [PATTERN...]" ;;
esac
