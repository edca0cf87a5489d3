#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Sends signals to kata-deploy and kata-manager while the container manager is restarted: signals.sh KATA-DEPLOY
#
# Whichever of the two programs gets SIGTERM, SIGINT or SIGHUP, and only that one: the change is undone, the container
# manager has its configuration of before, and the status and the text tell so. Runs a containerd of its own.
set -eu
if [ "${1-}" != inside ]; then
	if ! unshare --mount true 2>/dev/null || ! command -v containerd >/dev/null; then
		echo "skipped: signals: they need root, to mount, and containerd"
		exit 0
	fi
	exec unshare --mount --pid --fork --kill-child --mount-proc "$0" inside "$(realpath "$1")"
fi
deploy=$2 manager=$(dirname "$2")/kata-manager
# shellcheck source=tests/signed-release.sh
. "$(dirname "$0")/../signed-release.sh"
CANCELLED=16
lab=$(mktemp -d "${TMPDIR:-/tmp}/signals.XXXXXX")
trap 'rm -rf "$lab"' EXIT
fail() {
	echo "  FAIL  $*"
	cat "$lab/says"
	exit 1
}

mkdir -p "$lab/tree/bin"
echo shim >"$lab/tree/bin/containerd-shim-kata-v2"
signed_release "$lab/key" "$lab/tree" "$lab/release" 1.0.0 1
cat >"$lab/config.toml" <<-END
	version = 2
	root = "$lab/root"
	state = "$lab/state"
	disabled_plugins = ["io.containerd.internal.v1.opt"]
	[grpc]
	  address = "$lab/sock"
	[ttrpc]
	  address = "$lab/ttrpc"
END
cp "$lab/config.toml" "$lab/was"
# Starts containerd again. A run of it waits, at its beginning or at its end, while a file says so: "slow" and "hangs" for
# the first run, "slow-undo" for that of an undo. While it waits, "waits" exists.
cat >"$lab/restart" <<END
#!/bin/sh
wait_while() {
	if [ -e "$lab/\$1" ]; then : >"$lab/waits"; fi
	while [ -e "$lab/\$1" ]; do sleep 0.05; done
}
wait_while slow
if [ -e "$lab/pid" ]; then
	kill "\$(cat "$lab/pid")"
	tail --pid="\$(cat "$lab/pid")" -f /dev/null
fi
setsid containerd --config "$lab/config.toml" >>"$lab/log" 2>&1 &
echo \$! >"$lab/pid"
if [ -e "$lab/hangs" ]; then
	mv "$lab/hangs" "$lab/slow-undo"
	: >"$lab/waits"
	exec sleep infinity
fi
wait_while slow-undo
END
chmod +x "$lab/restart"
"$lab/restart"
until ctr --address "$lab/sock" version >"$lab/says" 2>&1; do sleep 0.1; done

place=(--prefix "$lab/opt") more=(--lock "$lab/lock" --trust-memory "$lab/memory" --cache "$lab/cache"
	--trust-dir "$lab/trust.d" --cri-config "$lab/config.toml" --restart-with "$lab/restart")
release=(--release "$lab/release" --key "$lab/key.pub" --cri containerd --no-proof --yes)
declare -A commands=(
	[kata-deploy]="$deploy install ${place[*]} ${release[*]} ${more[*]}"
	[kata-manager]="$manager install ${place[*]} ${release[*]} -- ${more[*]}"
)

output=$lab/says
# begin PROGRAM ENV-OPTION...: starts an installation in the background, as $pid, and waits until the restart waits.
begin() {
	local program=$1
	shift
	rm -f "$lab/waits"
	# A shell starts background commands with SIGINT ignored.
	# shellcheck disable=SC2086 # a command line
	env --default-signal=INT,TERM,HUP "$@" ${commands[$program]} </dev/null >"$output" 2>&1 &
	pid=$!
	await waits -e "$lab/waits"
}
# await WHAT TEST...: while the installation runs
await() {
	local what=$1
	shift
	until test "$@"; do
		kill -0 "$pid" 2>/dev/null || fail "it ended before it $what"
		sleep 0.05
	done
}
# end STATUS: waits for the end of the installation
end() {
	local status=0
	wait "$pid" || status=$?
	[ "$status" = "$1" ] || fail "$program, $signal: status $status and not $1"
}
nothing_is_left() {
	grep -q "interrupted by SIG$signal; undone" "$lab/says" || fail "$program, $signal: it does not say what happened"
	! grep -q 'interrupted by.*interrupted by' "$lab/says" || fail "$program, $signal: it says it twice"
	all_is_undone
}
all_is_undone() {
	cmp "$lab/config.toml" "$lab/was" >>"$lab/says" 2>&1 || fail "$program, $signal: config.toml is not what it was"
	[ ! -e "$lab/opt" ] || fail "$program, $signal: something is left: $(find "$lab/opt" | head -n 3)"
}

mkfifo "$lab/pipe"
for program in kata-deploy kata-manager; do
	for signal in TERM INT HUP; do
		touch "$lab/slow"
		begin "$program"
		kill -s "$signal" "$pid"
		end $CANCELLED
		nothing_is_left
		rm "$lab/slow"
	done
	# A second signal, during an undo, which has to restart the new containerd with its old configuration.
	signal=INT
	touch "$lab/hangs"
	begin "$program"
	rm "$lab/waits"
	kill -s "$signal" "$pid"
	await "undoes the restart" -e "$lab/waits"
	kill -s TERM "$pid"
	until grep -q "kata-deploy: still working" "$lab/says"; do await "answers a second signal" -d /proc; done
	rm "$lab/slow-undo"
	end $CANCELLED
	nothing_is_left
	# The same where the reader of the output is gone, as tee is after the SIGINT of a terminal.
	touch "$lab/hangs"
	cat "$lab/pipe" >"$lab/says" &
	reader=$! output=$lab/pipe
	begin "$program"
	output=$lab/says
	rm "$lab/waits"
	kill "$reader"
	wait "$reader" || true
	kill -s "$signal" "$pid"
	await "undoes the restart" -e "$lab/waits"
	kill -s TERM "$pid"
	sleep 0.2
	rm "$lab/slow-undo"
	end $CANCELLED
	all_is_undone
	# What was ignored from the start, as with nohup, is ignored by both programs.
	signal=HUP
	touch "$lab/slow"
	begin "$program" --ignore-signal=HUP
	kill -s "$signal" "$pid"
	for child in $(pgrep --parent "$pid" kata-deploy); do kill -s "$signal" "$child"; done
	rm "$lab/slow"
	end 0
	"$deploy" uninstall "${place[@]}" "${more[@]::4}" --restart-with "$lab/restart" --yes >"$lab/says" 2>&1 ||
		fail "uninstall"
done

# A terminal sends SIGINT to both programs: it is one signal for kata-deploy, too. Without "exec" a shell
# that script starts would get it too, and some shells end by it.
program=kata-manager signal=INT
touch "$lab/slow"
mkfifo "$lab/keyboard"
rm -f "$lab/waits"
env --default-signal=INT script --quiet --return --command "exec ${commands[$program]}" /dev/null <"$lab/keyboard" >"$lab/says" 2>&1 &
pid=$!
exec 3>"$lab/keyboard"
await waits -e "$lab/waits"
printf '\003' >&3
end $CANCELLED
exec 3>&-
nothing_is_left
if grep -q "still working" "$lab/says"; then fail "one SIGINT of the terminal counts twice"; fi
rm "$lab/slow"
echo "  ok    a signal to either program undoes a change"
