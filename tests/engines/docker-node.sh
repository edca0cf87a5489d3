#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests kata-deploy and kata-manager on a node with Docker, with default paths and without options about them:
# docker-node.sh KATA-DEPLOY KATA-MANAGER STATIC-KATA-DEPLOY RELEASE NEXT-RELEASE [TEST...]
#
# Each test is a function test_* and has a dockerd of its own; afterwards the node must be as before.
# shellcheck disable=SC2016,SC2317 # what is quoted is for the container
set -u
cd "$(dirname "$0")/../.."
# shellcheck source=tests/engines/docker-lib.sh
. tests/engines/docker-lib.sh
# shellcheck source=tests/integration/expect.sh
. tests/integration/expect.sh
# shellcheck source=tests/integration/node.sh
. tests/integration/node.sh
deploy=$(realpath "$1") manager=$(realpath "$2")
# The third argument is for nodes with another C library; here it is not used.
one=$(realpath "$4") two=$(realpath "$5")
shift 5
PREFIX=/opt/kata
exec </dev/null

digest() { # prints a digest of everything that an install may change
	(find /etc/docker /opt -printf '%p %y %m %u %g %l\n' | sort &&
		find /etc/docker /opt -type f -print0 | sort -z | xargs -0r sha256sum) | sha256sum
}
install() { # RELEASE OPTION...
	local release=$1
	shift
	"$deploy" install --yes --release "$release" --key "$release/development.pub" "$@" 2>&1
}
in_kata() { # DOCKER-ARGS...
	timeout 120 docker run --rm --network none --runtime kata "$IMAGE" "$@"
}
served() { docker info --format '{{range $name, $r := .Runtimes}}{{$name}} {{end}}'; }
current() { readlink "$PREFIX/current"; }

test_all_verbs_with_the_proof() {
	local before pid first
	docker_image
	pid=$(cat "$LAB/dockerd.pid")
	before=$(digest)
	has "install" "$(install "$one")" "proved in a VM"
	has "served" "$(served)" "kata kata-qemu mine runc"
	first=$(current)
	[ "$(in_kata uname -r)" != "$(uname -r)" ]
	expect "no image of the proof" "$(docker images -q 'kata.invalid/*')" ""
	docker run -d --name held --network none --runtime kata "$IMAGE" sleep 1000 >/dev/null
	has "upgrade" "$("$deploy" upgrade --yes --release "$two" --key "$two/development.pub" 2>&1)" \
		"proved in a VM"
	[ "$(current)" != "$first" ]
	expect "the one before lives" "$(docker exec held echo alive)" alive
	has "of the next release" "$(in_kata uname -r)" "kata"
	"$deploy" rollback --yes --quiet
	expect "rollback" "$(current)" "$first"
	expect "it lives" "$(docker exec held echo alive)" alive
	has "status" "$("$deploy" status --json)" '"problem": null'
	fails_saying "uninstall under pods" 7 "running pods use" "$deploy" uninstall --yes --quiet
	docker rm -f held >/dev/null
	docker_gone
	"$deploy" uninstall --yes --quiet
	expect "the node" "$(digest)" "$before"
	expect "served" "$(served | grep -c kata)" 0
	expect "runtimes of others" "$(served | grep -c mine)" 1
	# dockerd was signalled, but never restarted.
	expect "dockerd" "$(cat "$LAB/dockerd.pid")" "$pid"
	kill -0 "$pid"
}

test_without_a_file_before() {
	local before
	docker_end_daemon
	rm -f /etc/docker/daemon.json
	docker_daemon
	before=$(digest)
	install "$one" --quiet
	grep -q '"kata"' /etc/docker/daemon.json
	"$deploy" uninstall --yes --quiet
	expect "the node" "$(digest)" "$before"
	[ ! -e /etc/docker/daemon.json ]
	# Reloading a file without runtimes does not change dockerd's: it forgets ours only when it ends.
	docker_end_daemon
	docker_daemon
	expect "served" "$(served | grep -c kata)" 0
}

test_broken_guest_undoes_everything() {
	local before
	before=$(digest)
	make_release "$LAB/broken" 1.0 1 --break-initrd
	fails 1 "$deploy" install --yes --quiet --release "$LAB/broken" --key "$LAB/broken.pub" >/dev/null
	expect "the node" "$(digest)" "$before"
	expect "served" "$(served | grep -c kata)" 0
	expect "containers" "$(docker ps -aq)" ""
}

test_docker_is_restarted_with_it() {
	install "$one" --quiet --no-proof
	docker_end_daemon
	docker_daemon
	docker_image
	[ "$(in_kata uname -r)" != "$(uname -r)" ]
	"$deploy" prove --quiet
	"$deploy" uninstall --yes --quiet
}

test_manager() {
	local before
	docker_image
	before=$(digest)
	has "install" "$("$manager" install --yes --release "$one" --key "$one/development.pub" 2>&1)" \
		"proved in a VM"
	has "status" "$("$manager" status)" current
	docker tag "$IMAGE" busybox:latest
	has "try" "$("$manager" try --with docker busybox uname -r 2>/dev/null)" kata
	has "upgrade" "$("$manager" upgrade --yes --release "$two" --key "$two/development.pub" 2>&1)" \
		"is installed"
	has "rollback" "$("$manager" rollback --yes)" "current is"
	"$manager" remove --yes >/dev/null
	expect "the node" "$(digest)" "$before"
}


echo "  docker $(dockerd --version | awk '{ print $3 }' | tr -d ,), $(qemu-system-x86_64 --version | head -n 1)"
choose_tests "$@"
for t in "${tests[@]}"; do
	start=$SECONDS
	(
		set -e
		rm -rf "$PREFIX" /var/lib/kata-deploy # a node that never had an installation
		printf '{\n  "log-level": "debug",\n  "runtimes": { "mine": { "path": "/usr/sbin/runc" } }\n}\n' \
			>/etc/docker/daemon.json
		docker_start "$PREFIX"
		"$t"
		docker_gone
	)
	counted $? "$t" "$start"
done
totals dockernode
