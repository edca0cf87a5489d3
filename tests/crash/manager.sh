#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The crash walk with a containerd: manager.sh CRASH-AT CRASH-SERVED KATA-DEPLOY [RELEASE NEXT-RELEASE]
#
# kata-deploy registers with a private containerd and restarts it. It is killed at every system call of install, upgrade,
# rollback and uninstall that changes something. After each kill
#
#	recover			must restore exactly the old state or complete the new one, and containerd must
#				answer and serve the handlers in its files;
#	the verb		must succeed when run again, and result in the new state;
#	gc			must leave nothing else behind.
#
# With releases that boot, install and upgrade are also walked with their proof in a VM. Another process restarts
# containerd, as systemd would, so that killing kata-deploy does not kill the restart.
#
# CRASH_EVERY=N		every N-th call only (1)
# CRASH_PROOF_EVERY=N	the same for the walks with a proof, which take seconds for each call (10)
# CRASH_ONLY=NAME	one of install, upgrade, rollback, uninstall, install-proof, upgrade-proof
set -eu
cd "$(dirname "$0")/../.."
at=$(realpath "$1") served=$(realpath "$2") deploy=$(realpath "$3")
real=$(realpath "${4:-/}") next=$(realpath "${5:-/}")
# shellcheck source=tests/integration/lib.sh
. tests/integration/lib.sh
# shellcheck source=tests/integration/node.sh
. tests/integration/node.sh
# shellcheck source=tests/signed-release.sh
. tests/signed-release.sh
exec </dev/null
export SOURCE_DATE_EPOCH=1900000000
points=0 failed=0

# Makes a release that cannot boot, but is installed quickly.
small_release() { # N
	local tree=$LAB/tree dir=$LAB/releases/$1
	mkdir -p "$tree/bin" "$tree/share/kata" "$tree/etc" "$LAB/releases"
	printf '#!/bin/sh\nexit %d\n' "$1" >"$tree/bin/containerd-shim-kata-v2"
	chmod 0755 "$tree/bin/containerd-shim-kata-v2"
	echo "a kernel for $1" >"$tree/share/kata/kernel"
	echo "release = $1" >"$tree/etc/configuration.toml"
	signed_release "$LAB/releases/key" "$tree" "$dir" "$1.0.0" "$1"
}

# Starts the process that restarts containerd. It goes on if the program that asked for the restart is killed.
start_restarter() {
	mkfifo "$LAB/ask" "$LAB/done"
	cat >"$LAB/ask-for-restart" <<-END
		#!/bin/sh
		echo now >"$LAB/ask"
		read -r said <"$LAB/done"
		[ "\$said" = restarted ]
	END
	chmod +x "$LAB/ask-for-restart"
	(
		exec 3<>"$LAB/ask"
		while read -r _ <&3; do
			"$LAB/restart" && echo restarted >"$LAB/done"
		done
	) &
	restarter=$!
	NODE_CLEAN="kill $restarter; NODE_CLEAN="
}

# Sets args to the command line of a verb on this node.
words() { # VERB [RELEASE KEY] [OPTION...]
	local verb=$1
	args=("$deploy" "$verb" --prefix "$PREFIX" --lock "$LAB/lock" --trust-memory "$LAB/memory" --quiet)
	case $verb in
	install | upgrade | uninstall | rollback | gc) args+=(--yes) ;;
	esac
	case $verb in
	install | upgrade | uninstall)
		args+=(--cri containerd --cri-config "$LAB/etc/config.toml"
			--cri-socket "$LAB/containerd.sock" --restart-with "$LAB/ask-for-restart")
		;;
	esac
	shift
	case $verb in
	install | upgrade)
		# So that any release can be installed over any other.
		args+=(--release "$1" --key "$2" --cache "$LAB/cache" --allow-downgrade)
		shift 2
		;;
	esac
	args+=("$@")
}

does() { words "$@" && "${args[@]}" >>"$LAB/said" 2>&1; }

# Prints a digest of the node, without times of installation.
digest() {
	(cd "$LAB" && find etc opt ! -name install.json -printf '%p %y %m %u %g %l\n' | sort &&
		find etc opt -type f ! -name install.json ! -name trust.json -print0 | sort -z |
		xargs -0r sha256sum
		sed 's/"since": [0-9]*/"since": 0/' opt/kata/state/install.json 2>/dev/null) | sha256sum
}

save() { rm -rf "$LAB/saved" && mkdir "$LAB/saved" && cp -a "$LAB/etc" "$LAB/opt" "$LAB/saved/"; }
restore() {
	rm -rf "${LAB:?}/etc" "${LAB:?}/opt" && cp -a "$LAB/saved/etc" "$LAB/saved/opt" "$LAB/"
	# containerd has read other files if it does not serve what the restored ones say.
	serves || "$LAB/restart"
	node_wait
}

# containerd serves kata if and only if its files say so.
serves() {
	local names says=no
	names=$("$served" "$LAB/containerd.sock") || return 1
	! grep -q 'runtimes\.kata\]' "$LAB/etc/config.toml" || says=yes
	if grep -qx kata <<<"$names"; then [ "$says" = yes ]; else [ "$says" = no ]; fi
}

wrong() {
	failed=$((failed + 1))
	echo "  FAIL  $name at call $call ($said): $*"
	tail -n 3 "$LAB/said"
	return 1
}

check() { # STATUS VERB...
	local status=$1 now
	shift
	does recover || wrong "recover failed" || return
	now=$(digest)
	[ "$now" = "$will" ] || { [ "$status" != 0 ] && [ "$now" = "$was" ]; } ||
		wrong "the node is neither" || return
	node_wait || wrong "containerd does not answer" || return
	serves || wrong "containerd serves something else than its files say" || return
	does "$@" || wrong "once more failed" || return
	[ "$(digest)" = "$will" ] || wrong "once more is not the same" || return
	serves || wrong "once more: not served" || return
	does gc || wrong "gc failed" || return
	[ "$(digest)" = "$clean" ] || wrong "something is left after gc"
}

walk() { # NAME EVERY VERB...
	name=$1
	local every=$2 calls status
	shift 2
	[ -z "${CRASH_ONLY:-}" ] || [ "$CRASH_ONLY" = "$name" ] || return 0
	save
	was=$(digest) call=0 said=
	does "$@" || { wrong "it does not work at all" || return 0; }
	will=$(digest)
	does gc
	clean=$(digest)
	local start=$SECONDS before=$failed
	for ((call = every; ; call += every)); do
		restore
		words "$@"
		said=$("$at" "$call" "${args[@]}")
		read -r calls status _ <<<"$said"
		if [ "$calls" -lt "$call" ]; then
			[ "$status" = 0 ] || wrong "to its end it does not work" || true
			break
		fi
		points=$((points + 1))
		check "$status" "$@" || true
	done
	[ "$failed" != "$before" ] || echo "  ok    $name with containerd ($calls calls, $((SECONDS - start)) s)"
	restore
	does "$@"
}

node_start
start_restarter
for n in 1 2; do small_release "$n"; done
key=$LAB/releases/key.pub one=$LAB/releases/1 two=$LAB/releases/2
every=${CRASH_EVERY:-1} slow=${CRASH_PROOF_EVERY:-10}
walk install "$every" install "$one" "$key" --no-proof --trust-dir "$LAB/none"
does install "$one" "$key" --no-proof --trust-dir "$LAB/none"
walk upgrade "$every" upgrade "$two" "$key" --no-proof --trust-dir "$LAB/none"
does install "$two" "$key" --no-proof --trust-dir "$LAB/none"
# By version, because a second rollback without it would go forward again.
walk rollback "$every" rollback --to 1.0.0
walk uninstall "$every" uninstall
does uninstall || true
if [ -e "$real/release.yaml" ] && [ -e "$next/release.yaml" ]; then
	walk install-proof "$slow" install "$real" "$real/development.pub" --trust-dir "$LAB/none"
	does install "$real" "$real/development.pub" --no-proof --trust-dir "$LAB/none"
	walk upgrade-proof "$slow" upgrade "$next" "$next/development.pub" --trust-dir "$LAB/none"
	does uninstall || true
else
	echo "  skipped: the crash walk with a proof: there are no releases that boot"
fi
echo "crash walk with containerd: $points points, $failed failed"
[ "$failed" = 0 ]
