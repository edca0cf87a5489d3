# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the cases of integration, node and engine tests say when something is not as it should be.

expect() { # WHAT GOT WANTED
	[ "$2" = "$3" ] || {
		echo "    $1: got '$2', wanted '$3'"
		return 1
	}
}

has() { # WHAT TEXT PATTERN
	grep -q -- "$3" <<<"$2" || {
		echo "    $1: '$2' does not have '$3'"
		return 1
	}
}

# Not in an argument, where its own status would be lost: fails_saying checks both.
fails() { # STATUS COMMAND...: prints what it printed
	local wanted=$1 status=0 said
	shift
	said=$("$@" 2>&1) || status=$?
	printf '%s\n' "$said"
	[ "$status" = "$wanted" ] || {
		echo "    status $status, wanted $wanted: $said" >&2
		return 1
	}
}

fails_saying() { # WHAT STATUS PATTERN COMMAND...
	local what=$1 wanted=$2 pattern=$3 said
	shift 3
	said=$(fails "$wanted" "$@") && has "$what" "$said" "$pattern"
}
