#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests a container manager that is installed but not running: not-running.sh KATA-DEPLOY
#
# The error must appear before anything is fetched, and name the remedy. Runs without the processes and sockets of this
# machine, and with stand-ins for the clients.
set -eu
if [ "${1-}" != inside ]; then
	exec unshare --mount --pid --fork --mount-proc "$0" inside "$(realpath "$1")"
fi
deploy=$2 manager=$(dirname "$2")/kata-manager
# shellcheck source=tests/signed-release.sh
. "$(dirname "$0")/../signed-release.sh"
lab=$(mktemp -d "${TMPDIR:-/tmp}/not-running.XXXXXX")
trap 'rm -rf "$lab"' EXIT
mkdir -p "$lab/bin" "$lab/etc"
printf 'version = 2\n' >"$lab/etc/config.toml"
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
[ -d /etc/containerd ] || mount -t tmpfs tmpfs /etc
[ -d /etc/containerd ] || mkdir /etc/containerd
mount --bind "$lab/etc" /etc/containerd

fail() {
	echo "  FAIL  $*"
	cat "$lab/says"
	exit 1
}
# says STATUS TEXT COMMAND...: the command must exit with STATUS and print TEXT.
says() {
	local wanted=$1 text=$2 status=0
	shift 2
	"$@" </dev/null >"$lab/says" 2>&1 || status=$?
	[ "$status" = "$wanted" ] || fail "$*: status $status and not $wanted"
	grep -qF -e "$text" "$lab/says" || fail "$*: it does not say '$text'"
}
silent_about() {
	if grep -qF -e "$1" "$lab/says"; then fail "it says '$1'"; fi
}

mkdir -p "$lab/tree/bin"
echo shim >"$lab/tree/bin/containerd-shim-kata-v2"
signed_release "$lab/key" "$lab/tree" "$lab/release" 1.0.0 1
place=(--prefix "$lab/opt" --lock "$lab/lock" --trust-memory "$lab/memory")
trust=(--key "$lab/key.pub" --cache "$lab/cache" --trust-dir "$lab/trust.d")

# Nothing is fetched: the release does not even exist.
says 7 "start containerd (systemctl start containerd), or use --no-proof" \
	"$deploy" install "${place[@]}" "${trust[@]}" --yes --cri containerd --release "$lab/nowhere"
if [ -e "$lab/opt" ] || [ -e "$lab/cache" ]; then fail "something was made"; fi
says 7 "start it: systemctl start containerd, or use --no-proof" \
	"$manager" install --prefix "$lab/opt" --key "$lab/key.pub" --yes --cri containerd --release "$lab/nowhere" \
	-- --lock "$lab/lock" --cache "$lab/cache" --trust-dir "$lab/trust.d"
silent_about "would be installed"
# A plan reports it too, and succeeds.
says 0 "start containerd (systemctl start containerd), or use --no-proof" \
	"$deploy" plan "${place[@]}" "${trust[@]}" --cri containerd --release "$lab/release"
says 0 "start containerd (systemctl start containerd), or use --no-proof" \
	"$deploy" plan "${place[@]}" "${trust[@]}" --cri containerd --release "$lab/release" --json
says 0 "" "$deploy" plan "${place[@]}" "${trust[@]}" --cri containerd --release "$lab/release" --no-proof
silent_about "start containerd"
# In a container it is just being restarted: a plan without that restart would be wrong a moment later.
says 7 "containerd does not run; start containerd" \
	"$deploy" plan --host / "${place[@]}" "${trust[@]}" --cri containerd --release "$lab/release" --json
# The container manager need not run without a proof, nor if nothing changes.
says 0 "is installed" "$deploy" install "${place[@]}" "${trust[@]}" --yes --cri containerd --no-proof \
	--release "$lab/release"
says 7 "containerd does not run; start containerd (systemctl start containerd)" "$deploy" prove "${place[@]}"
says 0 "nothing to do" "$deploy" install "${place[@]}" "${trust[@]}" --yes --cri containerd --release "$lab/release"
says 0 "uninstalled" "$deploy" uninstall "${place[@]}" --yes

# Another one runs, which was probably meant. A manager is recognised by the name of its program; the stand-in waits for
# input that never arrives.
mkfifo "$lab/never"
echo "read -r line <$lab/never" >"$lab/wait"
cp /bin/bash "$lab/k3s"
"$lab/k3s" "$lab/wait" &
says 7 "k3s runs here: name it with --cri k3s, or start containerd (systemctl start containerd), or use --no-proof" \
	"$deploy" install "${place[@]}" "${trust[@]}" --yes --cri containerd --release "$lab/nowhere"
says 7 "containerd does not run; k3s runs here: name it with --cri k3s (the chart: k8sDistribution), or start containerd" \
	"$deploy" plan --host / "${place[@]}" "${trust[@]}" --cri containerd --release "$lab/release" --json
mkdir -p "$lab/rke2"
says 7 "k3s runs here: name it with --cri k3s" "$deploy" plan "${place[@]}" "${trust[@]}" --cri rke2 \
	--cri-config "$lab/rke2/config.toml" --release "$lab/release"
silent_about "start rke2 once"
kill %1

# `kata-manager try` needs a client whose server answers.
for name in nerdctl docker ctr; do
	# shellcheck disable=SC2016 # the dollar is for the script that is written
	printf '#!/bin/sh\n[ "$2" != --format ] || exec cat %s/%s.runtimes\ncase $1 in info|version) [ -e %s/%s.runs ] && exit; echo no server >&2; exit 1;; esac\n' \
		"$lab" "$name" "$lab" "$name" >"$lab/bin/$name"
	printf 'echo "%s: $*"\n' "$name" >>"$lab/bin/$name"
	chmod 0755 "$lab/bin/$name"
done
try=(env "PATH=$lab/bin:/usr/bin:/bin" "$manager" try busybox)
says 5 "the server of docker does not answer" "${try[@]}"
grep -q "the server of nerdctl does not answer.*the server of ctr does not answer" "$lab/says" || fail "not all are named"
touch "$lab/ctr.runs"
says 0 "ctr: run --rm" "${try[@]}"
# The options behind the image are those of the container's command.
for word in -h --help; do
	says 0 "ctr: run --rm" "${try[@]}" df $word
	grep -q "kata-try-[0-9]* df $word\$" "$lab/says" || fail "the command is not passed on"
done
says 0 "usage: kata-manager try" "$manager" try --with ctr -h
says 0 "usage: kata-manager try" "$manager" try --help busybox df
# Docker starts only the runtimes of its configuration.
touch "$lab/docker.runs"
for runtimes in '' null '{"runc":{"path":"runc"}}' '{"runc":{"path":"kata"},"kata-qemu":{"path":"kata"}}'; do
	echo "$runtimes" >"$lab/docker.runtimes"
	says 0 "ctr: run --rm" "${try[@]}"
	says 5 "docker does not have the runtime kata: kata-manager install --cri docker" \
		env "PATH=$lab/bin:/usr/bin:/bin" "$manager" try --with docker busybox
done
echo '{"kata":{"path":"/opt/kata/bin/containerd-shim-kata-v2"},"runc":{"path":"runc"}}' >"$lab/docker.runtimes"
says 0 "docker: run --rm" "${try[@]}"
rm "$lab/bin/nerdctl" "$lab/docker.runs"
says 0 "ctr: run --rm" "${try[@]}"
says 5 "the server of docker does not answer" env "PATH=$lab/bin:/usr/bin:/bin" "$manager" try --with docker busybox
echo "  ok    a container manager that does not run is reported before anything is fetched"
