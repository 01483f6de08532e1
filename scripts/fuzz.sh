#!/bin/bash
# scripts/fuzz.sh [PACKAGE-DIR…]
#
# Runs every fuzz target below the folders (default: all) one after another, FUZZTIME each (default 10s), one line each.
# A target that fails prints what it found; the input is kept in the package's testdata/fuzz.
set -uo pipefail
cd "$(dirname "$0")/.."
time=${FUZZTIME:-10s}
log=$(mktemp) bin=$(mktemp -d)
trap 'rm -rf "$log" "$bin"' EXIT

list() { # prints "dir Target", sorted
	find "${@:-.}" -name '*_test.go' -not -path './.*/*' -print0 |
		xargs -0 -r grep -HoE '^func Fuzz[A-Za-z0-9_]+\(' |
		sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]+)\($|\1 \2|' | sort -u
}

fuzz() { # fuzz DIR TARGET
	go test "$1" -run='^$' -fuzz="^$2\$" -fuzztime="$time" -fuzzminimizetime=10x -timeout=10m >"$log" 2>&1
}

failed=0 n=0
while read -r dir target; do
	case $dir in /* | ./*) ;; *) dir=./$dir ;; esac
	n=$((n + 1)) start=$SECONDS
	# Go's fuzzer may take its own deadline for a failure of the target: no input, no report, only these words. Once more.
	fuzz "$dir" "$target" || { grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log" && fuzz "$dir" "$target"; } || {
		cat "$log"
		printf 'fuzz %s %s FAILED\n' "$dir" "$target"
		failed=$((failed + 1))
		continue
	}
	printf 'fuzz %-28s %-32s %3d s %s\n' "$dir" "$target" $((SECONDS - start)) \
		"$(grep -oE 'execs: [0-9]+' "$log" | tail -1)"
done < <(list "$@")
[ $n -gt 0 ] || { echo "fuzz: no target found below ${*:-.}" >&2; exit 1; }
[ $failed = 0 ]
