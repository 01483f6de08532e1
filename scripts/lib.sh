# Shell functions that the scripts share. Sourced, not run.

# die SENTENCE: the sentence says what failed and what to do.
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# note SENTENCE: something that works less well than it could.
note() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# need_root WHY
need_root() { [ "$(id -u)" = 0 ] || die "must be root $1: call it through sudo"; }

# missing_packages NAME...: prints those that are not installed.
missing_packages() {
	local have p
	have=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | awk '$2 == "installed" { print $1 }')
	for p; do grep -qx "$p" <<<"$have" || printf '%s ' "$p"; done
}

# install_packages NAME...: installs what is missing, and updates apt's lists only if that fails without.
install_packages() {
	local want log
	command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
		die "no apt here: install the counterparts of $* by hand"
	want=$(missing_packages "$@")
	[ -n "$want" ] || return 0
	need_root "to install $want"
	log=$(mktemp)
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086
	if ! apt-get install -y -q --no-install-recommends $want >"$log" 2>&1; then
		apt-get update -q >"$log" 2>&1 && apt-get install -y -q --no-install-recommends $want >>"$log" 2>&1 || {
			tail -20 "$log" >&2
			rm -f "$log"
			die "apt-get install $want failed (its last lines are above): install them by hand, then start again"
		}
	fi
	rm -f "$log"
}
