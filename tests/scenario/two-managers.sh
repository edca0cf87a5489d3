#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests two container managers of one kind, neither with the default configuration: two-managers.sh KATA-DEPLOY
#
# The registration of an installation that was removed by hand is removed from the configuration that has it. An
# installation without a proof, such as that of a package, does not choose between two and does not fail. Runs without the
# processes of this machine, and with stand-ins for the container managers.
set -eu
if [ "${1-}" != inside ]; then
	if ! unshare --mount true 2>/dev/null; then
		echo "skipped: two managers: they need root, to mount"
		exit 0
	fi
	exec unshare --mount --pid --fork --kill-child --mount-proc "$0" inside "$(realpath "$1")"
fi
deploy=$2
# shellcheck source=tests/signed-release.sh
. "$(dirname "$0")/../signed-release.sh"
lab=$(mktemp -d "${TMPDIR:-/tmp}/two-managers.XXXXXX")
trap 'rm -rf "$lab"' EXIT
fail() {
	echo "  FAIL  $*"
	cat "$lab/says"
	exit 1
}

mkdir -p "$lab/tree/bin"
echo shim >"$lab/tree/bin/containerd-shim-kata-v2"
signed_release "$lab/key" "$lab/tree" "$lab/release" 1.0.0 1
place=(--prefix "$lab/opt" --lock "$lab/lock" --trust-memory "$lab/memory")
for name in a b; do
	cat >"$lab/$name.toml" <<-END
		version = 2
		root = "$lab/$name.root"
		state = "$lab/$name.state"
		disabled_plugins = ["io.containerd.internal.v1.opt"]
		[grpc]
		  address = "$lab/$name.sock"
		[ttrpc]
		  address = "$lab/$name.ttrpc"
	END
	cp "$lab/$name.toml" "$lab/$name.was"
done
"$deploy" install "${place[@]}" --key "$lab/key.pub" --cache "$lab/cache" --trust-dir "$lab/trust.d" --yes \
	--cri containerd --cri-config "$lab/b.toml" --no-proof --release "$lab/release" >"$lab/says" 2>&1 ||
	fail "install"
cmp -s "$lab/b.toml" "$lab/b.was" && fail "install registered nothing"
rm -r "$lab/opt"

# A container manager is recognised by the name of its program. The stand-in waits for input that never arrives.
mkfifo "$lab/never"
echo "read -r line <$lab/never" >"$lab/wait"
cp /bin/bash "$lab/containerd"
"$lab/containerd" "$lab/wait" --config "$lab/a.toml" &
cat >"$lab/restart" <<END
#!/bin/sh
if [ -e "$lab/pid" ]; then
	kill "\$(cat "$lab/pid")"
	tail --pid="\$(cat "$lab/pid")" -f /dev/null
fi
setsid containerd --config "$lab/b.toml" >>"$lab/b.log" 2>&1 &
echo \$! >"$lab/pid"
END
chmod +x "$lab/restart"
"$lab/restart"
until ctr --address "$lab/b.sock" version >"$lab/says" 2>&1; do sleep 0.1; done
"$deploy" uninstall "${place[@]}" --restart-with "$lab/restart" --yes >"$lab/says" 2>&1 || fail "uninstall"
for name in a b; do
	cmp "$lab/$name.toml" "$lab/$name.was" >"$lab/says" || fail "$name.toml is not what it was"
done
"$deploy" uninstall "${place[@]}" --yes >"$lab/says" 2>&1 || fail "uninstall, with nothing left"
echo "  ok    what is left of an installation is found whichever of two managers has it"

install() { "$deploy" install "${place[@]}" --key "$lab/key.pub" --trust-dir "$lab/trust.d" --yes --release "$lab/release" "$@" >"$lab/says" 2>&1; }
if install; then fail "install has chosen one of two managers"; fi
install --no-proof --quiet || fail "install without a proof, which need not choose"
grep -qF -e "repeat the command with --cri NAME" "$lab/says" || fail "it does not say how to register"
for name in a b; do
	cmp "$lab/$name.toml" "$lab/$name.was" >>"$lab/says" || fail "$name.toml was changed"
done
"$deploy" status "${place[@]}" >"$lab/says" 2>&1 || fail "status without a registration"
"$deploy" verify "${place[@]}" >"$lab/says" 2>&1 || fail "verify without a registration"
"$deploy" uninstall "${place[@]}" --yes >"$lab/says" 2>&1 || fail "uninstall without a registration"
echo "  ok    without a proof the choice between two managers is left for later"
