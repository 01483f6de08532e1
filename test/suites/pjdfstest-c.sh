#!/bin/bash
# pjdfstest-c.sh MOUNTDIR [TESTS...]       (TESTS: names under tests/, e.g. chmod rename/21.t)
#
# pjdfstest, C version: 238 files, 8798 checks on FUSE (8827 on ext4), as root.
#   PJDFSTEST=DIR  a built checkout of pjd/pjdfstest
#   JOBS           test files at a time (default 8: the tests mostly sleep; 85 s, or 225 s with 1)
#   EXCLUDE=REGEX  test files to leave out, e.g. 'utimensat/09.t'
# The mount must let other users in (allow_other, default_permissions) and must not be nodev/nosuid
# for the open/02, mknod and chmod/12 files to be meaningful.  Pass: no failed check.
set -u
M=$(realpath "${1:?usage: pjdfstest-c.sh MOUNTDIR [TESTS...]}"); shift
: "${PJDFSTEST:?set PJDFSTEST to a clone of pjd/pjdfstest}"
[ "$(id -u)" = 0 ] || { echo "must be root"; exit 2; }
command -v prove >/dev/null && command -v bc >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y perl bc >/dev/null
[ -x "$PJDFSTEST/pjdfstest" ] || { echo "build $PJDFSTEST first"; exit 2; }
D=$(mktemp -d "$M/pjd.XXXXXX") L=$(mktemp /tmp/pjdfstest.XXXXXX) || exit 2
chmod 755 "$D"; cd "$D" || exit 2
trap 'cd /; rm -rf "$D"' EXIT
[ $# -gt 0 ] || set -- .
for t; do find "$PJDFSTEST/tests/$t" -name '*.t'; done | sort | grep -vE "${EXCLUDE:-^$}" >"$L.list"
umask 022
xargs prove -j"${JOBS:-8}" <"$L.list" >"$L" 2>&1

# one line for each file with a failed check: name, failed/all, numbers
awk -v root="$PJDFSTEST/tests/" '
	/Wstat:/ { f = $1; sub(root, "", f); sub(/^.*tests\//, "", f)
		n = $0; sub(/.*Failed: /, "", n); sub(/\).*/, "", n); a = $0; sub(/.*Tests: /, "", a); sub(/ .*/, "", a)
		if ($0 ~ /Wstat: [^0]/ && n == 0) n = 1 }
	/^  Failed tests?:/ && n > 0 { sub(/^  Failed tests?: */, ""); printf "%-20s %s/%s failed: %s\n", f, n, a, $0; n = 0 }
	/^  Parse errors/ { print f, $0; n = 0 }' "$L"
total=$(sed -nE 's/^Files=[0-9]+, Tests=([0-9]+).*/\1/p' "$L")
failed=$(sed -nE 's/.*Wstat: .* Failed: ([0-9]+)\).*/\1/p' "$L" | paste -sd+ | bc); failed=${failed:-0}
bad=$(grep -cE 'Non-zero exit|Parse errors' "$L"); failed=$((failed + bad))
grep -E '^Files=' "$L" | cut -c1-70; echo "log: $L"
echo "$((${total:-0} - failed)) passed, $failed failed"
[ "${total:-0}" -gt 0 ] && [ "$failed" = 0 ]
