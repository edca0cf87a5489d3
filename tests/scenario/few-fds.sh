#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs every verb with few file descriptors: few-fds.sh KATA-DEPLOY
#
# With each limit a verb must succeed, or end in time with an error that names the limit, with no process left and the node
# as before. With 32 descriptors every verb must succeed.
# shellcheck disable=SC2086 # lists of options are split
set -eu
# As root it sees only processes of its own: a container manager of this machine may start or end between two runs of a
# verb, which then differ.
if [ "$1" = inside ]; then
	shift
elif unshare --mount true 2>/dev/null; then
	exec unshare --mount --pid --fork --kill-child --mount-proc "$0" inside "$1"
fi
deploy=$(realpath "$1") manager=$(dirname "$(realpath "$1")")/kata-manager
# shellcheck source=tests/signed-release.sh
. "$(dirname "$0")/../signed-release.sh"
ENOUGH=32 DEADLINE=120
lab=$(mktemp -d "${TMPDIR:-/tmp}/few-fds.XXXXXX")
lock=${lab//-/%2d}
trap 'rm -rf "$lab" "/run/lock/kata-deploy-node${lock//\//-}-node-opt-kata.lock"' EXIT
failed=0

fail() {
	echo "  FAIL  $*"
	failed=1
}

make_releases() {
	local tree=$lab/tree n
	mkdir -p "$tree/bin" "$tree/share/kata" "$tree/etc"
	for n in 1 2; do
		echo "the shim of $n" >"$tree/bin/containerd-shim-kata-v2"
		chmod 0755 "$tree"/bin/*
		# Large enough to use several threads and several blobs.
		head -c 9000000 /dev/zero | tr '\0' "$n" >"$tree/share/kata/kernel"
		echo "release = $n" >"$tree/etc/configuration.toml"
		signed_release "$lab/key" "$tree" "$lab/$n" "$n.0.0" "$n"
		tar -cf "$lab/$n.tar" -C "$lab/$n" .
	done
	cat >"$lab/components" <<-END
		components:
		  - {name: base, text: programs, required: true, paths: [bin, etc]}
		  - {name: guest, text: guest, required: true, paths: [share]}
		copies: []
	END
}

# Makes roots of trust: root1.json, signed, and root2.json, which follows it; and the configuration of a client of a
# cluster whose server does not answer.
make_documents() {
	"$deploy" keys root --key "$lab/key.pub" --expires 2099-01-01T00:00:00Z "$lab/root1.json" >/dev/null
	"$deploy" keys sign --key "$lab/key.key" "$lab/root1.json" >/dev/null
	"$deploy" keys root --after "$lab/root1.json" "$lab/root2.json" >/dev/null
	"$deploy" keys sign --key "$lab/key.key" "$lab/root2.json" >/dev/null
	cat >"$lab/kubeconfig" <<-END
		apiVersion: v1
		kind: Config
		clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
		users: [{name: u, user: {token: t}}]
		contexts: [{name: x, context: {cluster: c, user: u}}]
		current-context: x
	END
}

# Makes nodes/NAME, the state of the node before a verb, without a limit of descriptors.
make_nodes() {
	local name
	for name in none one two; do
		mkdir -p "$lab/nodes/$name/etc/containerd"
		cp -a "$lab/1" "$lab/nodes/$name/made"
		cp "$lab/root1.json" "$lab/nodes/$name/root.json"
		printf 'version = 3\n' >"$lab/nodes/$name/etc/containerd/config.toml"
	done
	for name in one two; do
		"$deploy" install --root "$lab/nodes/$name" --release "$lab/1" $source >/dev/null 2>"$lab/err" || fail "$(<"$lab/err")"
	done
	cp -a "$lab/nodes/one" "$lab/nodes/rooted"
	"$deploy" keys rotate --root "$lab/nodes/rooted" --trust-dir "$lab/trust.d" "$lab/root1.json" >/dev/null
	cp -a "$lab/nodes/one" "$lab/nodes/timed"
	"$deploy" timer enable --root "$lab/nodes/timed" >/dev/null
	"$deploy" upgrade --root "$lab/nodes/two" --release "$lab/2" $source >/dev/null
	cp -a "$lab/nodes/one" "$lab/nodes/damaged"
	rm "$lab/nodes/damaged/opt/kata/current/share/kata/kernel"
}

# Prints the state of a node, without times.
describe() {
	(cd "$1" && find . -printf '%y %m %n %p %l\n' | sort && find . -type f -print0 | sort -z | xargs -0r sha256sum)
}

# attempt LIMIT NODE STATUS WORD...: runs a verb with that limit on a copy of that node; STATUS "same": that of a run
# without a limit. A first word "manager" means kata-manager.
attempt() {
	local limit=$1 node=$2 wanted=$3 status=0 again=0 program=$deploy
	shift 3
	[ "$1" != manager ] || { program=$manager && shift; }
	fresh "$node"
	if [ "$wanted" = same ]; then
		wanted=0
		timeout -k 5 "$DEADLINE" "$program" "$@" </dev/null >"$lab/out" 2>"$lab/err" || wanted=$?
		fresh "$node"
	fi
	(ulimit -n "$limit" && exec setsid timeout -k 5 "$DEADLINE" "$program" "$@") \
		</dev/null >"$lab/out" 2>"$lab/err" || status=$?
	judge "$limit" "$status" "$wanted" "$*" || return 0
	# The failure must not leave anything that prevents a second run with enough descriptors.
	timeout -k 5 "$DEADLINE" "$program" "$@" </dev/null >"$lab/out" 2>"$lab/err" || again=$?
	[ $again = "$wanted" ] || fail "$limit fds: $*: afterwards: status $again: $(tail -n 1 "$lab/err")"
}

fresh() { # NODE: makes the copy
	rm -rf "$lab/node"
	cp -a "$lab/nodes/$1" "$lab/node"
	describe "$lab/node" >"$lab/before"
}

# judge LIMIT STATUS WANTED COMMAND: checks what a run with that limit has said and left; false if it did what was wanted.
judge() {
	case $2 in
	"$3") return 1 ;;
	124 | 1[3-9][0-9]) fail "$1 fds: $4: status $2: $(tail -n 1 "$lab/err")" ;;
	*)
		if [ "$1" -ge "$ENOUGH" ]; then
			fail "$1 fds: $4: status $2: $(tail -n 1 "$lab/err")"
		elif ! grep -q 'ulimit -n' "$lab/err" "$lab/out"; then
			fail "$1 fds: $4: the error does not name the limit: $(tail -n 1 "$lab/err")"
		fi
		;;
	esac
	describe "$lab/node" >"$lab/after"
	cmp -s "$lab/before" "$lab/after" || {
		fail "$1 fds: $4: the node is not as before"
		diff "$lab/before" "$lab/after" | head -n 5
	}
}

# attend LIMIT NODE READY WORD...: runs a verb that ends when it is told to; it is told when READY, a command, succeeds.
attend() {
	local limit=$1 status=0 ready=$3 pid
	fresh "$2"
	shift 3
	(ulimit -n "$limit" && exec setsid "$deploy" "$@") </dev/null >"$lab/out" 2>"$lab/err" &
	pid=$!
	SECONDS=0
	while kill -0 "$pid" 2>/dev/null && ! eval "$ready" && [ $SECONDS -lt $DEADLINE ]; do sleep 0.05; done
	kill "$pid" 2>/dev/null || true
	wait "$pid" || status=$?
	rm -rf "$lab/run"
	judge "$limit" "$status" 0 "$*" || status=0
	[ "$limit" -lt $ENOUGH ] || ! grep 'ulimit -n' "$lab/err" || fail "$limit fds: $*: they are not enough"
}

left() {
	pgrep -f "^($deploy|$manager)" || true
}

make_releases
source="--key $lab/key.pub --cache $lab/cache --trust-dir $lab/trust.d --no-proof --yes"
fetch="--key $lab/key.pub --cache $lab/cache --trust-dir $lab/trust.d"
make_documents
make_nodes
# Those of this machine wait long for a server that does not run.
mkdir "$lab/bin"
for client in nerdctl docker ctr; do
	printf '#!/bin/sh\nexit 1\n' >"$lab/bin/$client"
	chmod 0755 "$lab/bin/$client"
done
PATH=$lab/bin:$PATH
before=$(left)
for limit in ${LIMITS:-8 9 10 12 16 24 32 64}; do
	root="--root $lab/node"
	managed="--prefix $lab/node/opt/kata" managed_more="--lock $lab/lock --trust-memory $lab/node/memory"
	attempt $limit none 0 install $root --release "$lab/1" $source
	attempt $limit none 0 install $root --release "$lab/1.tar" $source
	attempt $limit one 0 upgrade $root --release "$lab/2" $source
	attempt $limit one 0 plan $root --release "$lab/2" $fetch --json
	attempt $limit two 0 rollback $root --yes
	attempt $limit one 0 status $root
	attempt $limit one 0 verify $root
	attempt $limit damaged 0 repair $root --release "$lab/1" $fetch
	attempt $limit two 0 gc $root --yes
	attempt $limit one 0 recover $root
	attempt $limit one 0 uninstall $root --yes
	attempt $limit none 0 fetch --release "$lab/1" $fetch --to "$lab/node/copy"
	attempt $limit none 0 release check --key "$lab/key.pub" "$lab/1"
	attempt $limit none 0 release diff "$lab/1" "$lab/2"
	attempt $limit none 0 keys generate --no-passphrase "$lab/node/key"
	attempt $limit none 0 keys show "$lab/key.pub"
	attempt $limit one 0 keys show $root
	attempt $limit one 0 keys trust $root "$lab/key.pub"
	attempt $limit one 0 keys forget $root --all
	attempt $limit none 0 keys root --key "$lab/key.pub" --expires 2099-01-01T00:00:00Z "$lab/node/new.json"
	attempt $limit none 0 keys sign --key "$lab/key.key" "$lab/node/root.json"
	attempt $limit rooted 0 keys rotate $root --trust-dir "$lab/trust.d" "$lab/root2.json"
	attempt $limit none 0 release build --tree "$lab/tree" --out "$lab/node/release" --components "$lab/components" \
		--version 3.0.0 --serial 3 --created 1700000000 --old "$lab/1"
	attempt $limit none 0 release sign --key "$lab/key.key" "$lab/node/made"
	attempt $limit none 0 release channel "$lab/node/made"
	attempt $limit one 0 timer enable $root --window daily
	attempt $limit timed 0 timer disable $root
	attempt $limit timed 0 timer status $root
	attempt $limit one 0 timer run $root --release "$lab/2" --cache "$lab/cache"
	attempt $limit one 0 timer unhold $root
	attempt $limit none 0 timer unit service
	# These need VMs, or a cluster, and fail here; the limit must not be the reason that they give with enough.
	attempt $limit one same prove --prefix "$lab/node/opt/kata" --lock "$lab/lock" --trust-memory "$lab/node/memory"
	attempt $limit none same doctor --prefix "$lab/node/opt/kata"
	attempt $limit none same withdraw --kubeconfig "$lab/kubeconfig" --namespace x --owner x --timeout 1
	attempt $limit none 0 manager install $managed --release "$lab/1" --key "$lab/key.pub" --cri none --no-proof --yes \
		-- $managed_more --cache "$lab/cache" --trust-dir "$lab/trust.d"
	attempt $limit none same manager status $managed
	attempt $limit none same manager try busybox
	attend $limit none "grep -Eq 'phase=(ready|failed)' $lab/err" node --alone --port 0 --state "$lab/run" $managed $managed_more -- \
		--release "$lab/1" $fetch --cri none
	attend $limit none "grep -q 'is not there' $lab/err" report --kubeconfig "$lab/kubeconfig" --node n --namespace x \
		--socket "$lab/none"
done
# Without standard streams no file gets their numbers, such as the lock, and with them what is printed.
fresh none
"$deploy" install --root "$lab/node" --release "$lab/1" $source --lock "$lab/lock" </dev/null >&- 2>&- || true
[ -e "$lab/node/opt/kata/bin" ] || fail "install without standard streams"
[ "$(wc -l <"$lab/lock")" = 1 ] || fail "the lock has what was printed: $(<"$lab/lock")"
for _ in $(seq 600); do
	now=$(left | grep -vxF "$before" || true)
	[ -n "$now" ] || break
	sleep 0.1 # what was killed may be about to end
done
[ -z "$now" ] || fail "processes are left: $now"
[ $failed = 0 ] && echo "  ok    every verb with few fds"
exit $failed
