#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests which processes prevent the removal of a release: holders.sh KATA-DEPLOY
#
# A process that executes a program of the release does; readers of its files and the installer itself do not.
set -eu
deploy=$(realpath "$1") manager=$(dirname "$(realpath "$1")")/kata-manager
lab=$(mktemp -d "${TMPDIR:-/tmp}/holders.XXXXXX")
# shellcheck source=tests/signed-release.sh
. "$(dirname "$0")/../signed-release.sh"
running=()
end() {
	local pid
	for pid in "${running[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$lab"
}
trap end EXIT

fail() {
	echo "  FAIL  $*"
	tail -n 2 "$lab/err"
	exit 1
}

mkdir -p "$lab/tree/bin" "$lab/tree/share"
cp "$deploy" "$manager" "$lab/tree/bin"
cp /bin/sleep "$lab/tree/bin/containerd-shim-kata-v2"
echo "a guest" >"$lab/tree/share/kernel"
place=(--prefix "$lab/opt" --lock "$lab/lock" --trust-memory "$lab/memory")
{
	signed_release "$lab/key" "$lab/tree" "$lab/release" 1.0.0 1
	"$deploy" install "${place[@]}" --cri none --no-proof --yes --release "$lab/release" \
		--key "$lab/key.pub" --cache "$lab/cache" --trust-dir "$lab/trust.d"
} >"$lab/out" 2>"$lab/err" || fail "it is not installed"

"$lab/opt/bin/containerd-shim-kata-v2" 600 &
running+=($!)
tail -f "$lab/opt/current/share/kernel" >"$lab/read" &
running+=($!)
# Runs status continuously, with the program that is to be removed.
while :; do "$lab/opt/bin/kata-deploy" status "${place[@]}"; done >"$lab/looked" 2>&1 &
running+=($!)
until [ -s "$lab/read" ] && [ -s "$lab/looked" ]; do sleep 0.05; done

remove() {
	"$lab/opt/bin/kata-manager" remove --prefix "$lab/opt" --yes -- "${place[@]:2}" >"$lab/out" 2>"$lab/err"
}
if remove; then fail "a program that runs was removed"; fi
grep -q "process ${running[0]} " "$lab/err" || fail "the error does not name the program that runs"
[ -e "$lab/opt/bin/kata-manager" ] || fail "something is gone"
kill "${running[0]}"
wait "${running[0]}" 2>/dev/null || true

# A program that is started while the question is open.
mkfifo "$lab/answer"
script -qec "$(printf '%q ' "$deploy" uninstall "${place[@]}" --cri none)" /dev/null <"$lab/answer" >"$lab/err" 2>&1 &
asked=$!
running+=("$asked")
exec 3>"$lab/answer"
until grep -q "y/N" "$lab/err"; do
	kill -0 "$asked" 2>/dev/null || fail "uninstall did not ask"
	sleep 0.05
done
"$lab/opt/bin/containerd-shim-kata-v2" 600 &
late=$!
running+=("$late")
until grep -q shim-kata "/proc/$late/cmdline"; do sleep 0.05; done
echo y >&3
if wait "$asked"; then fail "a program that was started meanwhile was removed"; fi
exec 3>&-
grep -q "process $late " "$lab/err" || fail "the error does not name the program that was started meanwhile"
[ -e "$lab/opt/bin/kata-manager" ] || fail "something is gone"
kill "$late"
wait "$late" 2>/dev/null || true
remove || fail "a reader, or the installer itself, keeps the release"
[ ! -e "$lab/opt" ] || fail "something is left: $(find "$lab/opt" | head -n 3)"
echo "  ok    only what runs keeps a release from being removed"
