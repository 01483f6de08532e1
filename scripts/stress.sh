#!/bin/bash
# scripts/stress.sh [TRANSPORT…]       (make stress)
#
# Load with verification on a mount over each transport (default: uring classic blocking): test/suites/stress.sh, and
# fsx.sh and pjdfstest-c.sh where XFSTESTS and PJDFSTEST name built checkouts. The backing file system is the one of TMPDIR.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
[ $# -gt 0 ] || set -- uring classic blocking
work=$(mktemp -d) failed=0 pid=
finish() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	! mountpoint -q "$work/mnt" || umount -l "$work/mnt"
	rm -rf --one-file-system "$work"
}
trap finish EXIT
mkdir "$work/mnt"
for transport; do
	mkdir "$work/$transport"
	bin/fastfsd mount "$work/$transport" "$work/mnt" --transport "$transport" \
		-o allow_other,default_permissions,dev,suid >"$work/log" 2>&1 &
	pid=$!
	for ((i = 0; i < 300; i++)); do mountpoint -q "$work/mnt" && break; kill -0 $pid 2>/dev/null || break; sleep 0.1; done
	mountpoint -q "$work/mnt" || { cat "$work/log" >&2; die "$transport: not mounted"; }
	suites=stress.sh
	[ -z "${XFSTESTS:-}" ] || suites+=" fsx.sh"
	[ -z "${PJDFSTEST:-}" ] || suites+=" pjdfstest-c.sh"
	for suite in $suites; do
		printf '==== %s over %s\n' "$suite" "$transport"
		"test/suites/$suite" "$work/mnt" || failed=$((failed + 1))
	done
	kill $pid && wait $pid || { tail "$work/log" >&2; note "$transport: the server ended badly"; failed=$((failed + 1)); }
	pid=
done
printf '==== %d suites failed\n' $failed
[ $failed = 0 ]
