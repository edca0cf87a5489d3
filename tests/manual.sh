#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests help, man pages and completions of programs: manual.sh PROGRAM...
#
# Help fits a terminal of 80 columns, a program's overview also its 24 lines; man pages have no warnings; the shells
# accept the completions, and these are complete.
set -u

failed=0
wrong() {
	echo "  FAIL  $*"
	failed=1
}
has() { command -v "$1" >/dev/null || { echo "  skipped: $1 is not here"; false; }; }

# Prints the verbs, from the man page; some have two words.
verbs() { "$1" manual man | sed -n 's/^\.SS "[a-z-]* \([a-z]*\( [a-z][a-z]*\)\{0,1\}\).*"$/\1/p'; }

check_help() { # PROGRAM
	local verb
	[ "$("$1" --help | wc -l)" -le 24 ] || wrong "$1 --help has more than 24 lines"
	while read -r verb; do
		# shellcheck disable=SC2086
		"$1" $verb --help >"$dir/help" || wrong "$1 $verb --help"
		# shellcheck disable=SC2086
		"$1" help $verb | cmp -s - "$dir/help" || wrong "$1 help $verb is not $verb --help"
		grep -q "^usage: $(basename "$1") $verb" "$dir/help" || wrong "$1 $verb --help has no usage"
		! grep -n '.\{81\}' "$dir/help" || wrong "$1 $verb --help is wider than 80 columns"
	done < <(verbs "$1")
}

check_man() { # PROGRAM
	local section
	"$1" manual man >"$dir/man.8"
	said=$(MANWIDTH=80 LC_ALL=C man --warnings -l "$dir/man.8" 2>&1 >/dev/null)
	[ -z "$said" ] || wrong "$1 manual man: $said"
	for section in "EXIT STATUS" $(case $1 in *kata-deploy) echo ENVIRONMENT FILES ;; esac); do
		grep -q "^\.SH $section\$" "$dir/man.8" || wrong "$1 manual man has no section $section"
	done
	! has mandoc || mandoc -T lint -W error "$dir/man.8" || wrong "$1 manual man"
}

# offers PROGRAM WANTED WORD...: the completion of the last word must be WANTED.
offers() {
	local program=$1 wanted=$2 got
	shift 2
	# shellcheck disable=SC2016
	got=$(bash -c 'for file; do [ "$file" != -- ] || break; . "$file"; shift; done; shift
		function=$1 && shift
		COMP_WORDS=(program "$@") COMP_CWORD=$#
		"$function"; echo "${COMPREPLY[*]}"' bash "$dir"/bash.* -- "_$(basename "$program" | tr - _)" "$@")
	[ "$got" = "$wanted" ] || wrong "$program: '$*' is completed to '$got', not to '$wanted'"
}

check_shells() { # PROGRAM
	local shell verb
	for shell in bash zsh fish; do
		"$1" manual "$shell" >"$dir/$shell"
		! has "$shell" || "$shell" -n "$dir/$shell" || wrong "$1 manual $shell"
	done
	case $1 in
	*kata-collect-data)
		offers "$1" --no-logs --no
		offers "$1" "--hide --help" --h
		offers "$1" "" ""
		return
		;;
	esac
	offers "$1" install in
	offers "$1" --prefix install --pre
	offers "$1" --force "$(verbs "$1" | grep -x 'uninstall\|remove')" --forc
	offers "$1" "" install --prefix ""
	offers "$1" "" install --nonsense
	case $1 in
	*kata-manager)
		for verb in status doctor try; do # which ask nothing
			offers "$1" "" "$verb" --y
		done
		;;
	*kata-deploy)
		offers "$1" "generate show trust forget root sign rotate" keys ""
		offers "$1" --passphrase-fd release sign --pass
		;;
	esac
}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for program in "$@"; do
	# A shell has the completions of all programs loaded.
	"$program" manual bash >"$dir/bash.$(basename "$program")"
done
for program in "$@"; do
	check_help "$program"
	check_man "$program"
	check_shells "$program"
done
[ "$failed" != 0 ] || echo "  ok    manuals"
exit "$failed"
