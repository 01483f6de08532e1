#!/bin/bash
# scripts/stage.sh NAME COMMAND...
#
# Runs one stage of the Makefile and prints one line with its duration. A stage that fails ends the run with its name.
# With LAST=1 a success prints nothing more: the last words are then the command's own.
set -uo pipefail
name=$1
shift
start=$SECONDS
[ -z "${LAST:-}" ] || printf '==== %s\n' "$name"
"$@"
rc=$?
if [ $rc != 0 ]; then
	printf '==== %s FAILED after %d s (exit code %d): %s\n' "$name" $((SECONDS - start)) $rc "$*"
	exit 1
fi
[ -n "${LAST:-}" ] || printf '==== %-12s ok %4d s\n' "$name" $((SECONDS - start))
