#!/bin/bash
# scripts/demo.sh (make demo)
#
# The whole way once: makes the machine ready, builds, mounts a copy of a real directory, works through the mount, shows
# what the server saw, unmounts. Exits with 0 only if every step did what it says.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
run() { # prints the command, then runs it
	printf '$ %s\n' "$*"
	"$@"
}

step "make ready and build"
scripts/setup.sh demo
run make --no-print-directory -s build
run bin/fastfsd version

work=$(mktemp -d /tmp/fastfsd-demo-XXXXXX)
src=$work/src mnt=$work/mnt log=$work/log pid=
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=demo GIT_AUTHOR_EMAIL=demo@example.org
export GIT_COMMITTER_NAME=demo GIT_COMMITTER_EMAIL=demo@example.org
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE

finish() { # whatever went wrong: no mount and no process stay behind
	local rc=$?
	trap - EXIT
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	if mountpoint -q "$mnt" 2>/dev/null; then umount -l "$mnt" || true; fi
	[ -z "$pid" ] || wait "$pid" 2>/dev/null || true
	if [ $rc != 0 ]; then
		[ ! -s "$log" ] || { printf '\nthe server said:\n' >&2; tail -30 "$log" >&2; }
		printf '\ndemo: FAILED (exit code %d)\n' $rc >&2
	fi
	rm -rf --one-file-system "$work"
	exit $rc
}
trap finish EXIT

step "a real directory"
mkdir "$src" "$mnt"
origin=/usr/include
[ "$(find $origin -type f 2>/dev/null | head -200 | wc -l)" = 200 ] || origin=$(go env GOROOT)/src/internal
run cp -a "$origin" "$src/tree"
echo "$(find "$src" | wc -l) names, $(du -sh "$src" | cut -f1)"

step "mount it"
echo "$ bin/fastfsd mount $src $mnt &"
bin/fastfsd mount "$src" "$mnt" >"$log" 2>&1 &
pid=$!
for ((i = 0; i < 300; i++)); do
	mountpoint -q "$mnt" && break
	kill -0 $pid 2>/dev/null || die "the server ended before it had mounted"
	sleep 0.1
done
mountpoint -q "$mnt" || die "not mounted after 30 s"
cat "$log"
run findmnt -n -o TARGET,SOURCE,FSTYPE,OPTIONS "$mnt"
run df -h "$mnt"

step "copy a tree through the mount and compare the hashes"
run cp -a "$mnt/tree" "$mnt/copy"
hashes() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum); }
a=$(hashes "$src/tree") b=$(hashes "$mnt/copy")
echo "below the mount  $a"
echo "through it       $b"
[ "$a" = "$b" ] || die "the hashes differ"

step "git in the mount"
run git -C "$mnt/copy" init -q -b main
run git -C "$mnt/copy" add -A
run git -C "$mnt/copy" commit -q -m "through fastfsd"
run git -C "$mnt/copy" fsck --full
run git -C "$mnt/copy" status --short

step "links, attributes, holes, rename"
cd "$mnt"
run ln copy/.git/config hard
[ "$(stat -c %i hard)" = "$(stat -c %i copy/.git/config)" ] && [ "$(stat -c %h hard)" = 2 ] || die "the hard link is another file"
run ln -s hard soft
cmp hard soft || die "the symlink leads elsewhere"
run setfattr -n user.demo -v "kept by the host" hard
[ "$(getfattr --only-values -n user.demo "$src/hard")" = "kept by the host" ] || die "the attribute did not reach the host"
run truncate -s 1G hole
[ "$(stat -c %s "$src/hole")" = 1073741824 ] || die "the hole has another size below"
run mv hole renamed
[ -e "$src/renamed" ] && [ ! -e "$src/hole" ] || die "the rename did not reach the host"
run ls -li hard soft renamed
run rm renamed
echo "a change below the mount" >"$src/from-below"
run cat from-below
cd - >/dev/null

step "what the server saw: opcode, requests, errors"
lines=$(wc -l <"$log")
run kill -USR1 $pid
for ((i = 0; i < 50; i++)); do [ "$(wc -l <"$log")" = "$lines" ] || break; sleep 0.1; done
sleep 0.2
tail -n +$((lines + 1)) "$log"
[ "$(wc -l <"$log")" != "$lines" ] || die "the server printed no counters"

step "unmount"
run kill -TERM $pid
rc=0
wait $pid || rc=$?
pid=
[ $rc = 0 ] || die "the server ended with exit code $rc"
! mountpoint -q "$mnt" || die "$mnt is still mounted"
[ "$a" = "$(hashes "$src/tree")" ] || die "the directory was damaged"
printf '\ndemo: all of it worked\n'
