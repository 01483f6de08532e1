#!/bin/bash
# scripts/virtiofsd.sh
#
# Builds virtiofsd 1.14.0 into .tools/bin, for benchmarks. Needs cargo.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
version=1.14.0
[ ! -x .tools/bin/virtiofsd ] || [[ $(.tools/bin/virtiofsd --version 2>&1) != *$version* ]] || exit 0
need_root "to install packages"
install_packages build-essential libcap-ng-dev libseccomp-dev
note "building virtiofsd $version, minutes, once"
cargo install --quiet --locked --root .tools --version $version virtiofsd ||
	die "virtiofsd $version cannot be built: cargo install --locked --version $version virtiofsd says why"
