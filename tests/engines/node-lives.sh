#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests the life cycle of a release on one node: node-lives.sh BUILD NODE TEST, inside enter.sh --beside.
#
# BUILD has static/, demo/this and demo/next, and nodes/ with the packages that nodes.sh makes of them. TEST is a function
# test_*; afterwards the node must be byte for byte what it was.
# shellcheck disable=SC2317,SC2154
set -eu
cd "$(dirname "$0")/../.."
BUILD_AT=$(realpath "$1")
# shellcheck source=tests/engines/node-lib.sh
. tests/engines/node-lib.sh
# shellcheck source=tests/integration/expect.sh
. tests/integration/expect.sh
exec </dev/null

one=/mnt/demo/this two=/mnt/demo/next
key=$one/development.pub
portable=/mnt/static/kata-deploy
current() { readlink "$NODE/opt/kata/current"; }
version_of() { sed -n 's/^version: "\?\([^"]*\)"\?$/\1/p' "$BUILD_AT/demo/$1/release.yaml"; }

# --- the ways of installing a release on a node: WAY_program, WAY_install, WAY_upgrade, WAY_remove ---

directory_program() { on "$portable" "$@"; }
directory_install() { directory_program install --yes --release "$one" --key "$key" "$@"; }
directory_upgrade() { directory_program upgrade --yes --release "$two"; }
directory_remove() { directory_program uninstall --yes --forget-trust; }

http_program() { on "$portable" "$@"; }
http_install() {
	busybox httpd -p 127.0.0.1:8080 -h "$BUILD_AT/demo"
	http_program install --yes --release http://127.0.0.1:8080/this/ --key "$key"
}
http_upgrade() { http_program upgrade --yes --release http://127.0.0.1:8080/next/; }
http_remove() { http_program uninstall --yes --forget-trust; }

deb_program() { on kata-deploy "$@"; }
deb_both() { on sh -c "dpkg -i /mnt/nodes/deb-$1/kata-deploy_*.deb /mnt/nodes/deb-$1/kata-containers_*.deb"; }
deb_install() { deb_both this; }
deb_upgrade() { deb_both next; }
deb_remove() { on dpkg -P kata-containers && on dpkg -P kata-deploy; }

# With a container that the node's own engine runs.
image_program() { on "$portable" "$@"; }
image_run() { # TAG ARG...
	local tag=$1
	shift
	case $engine in
	containerd)
		on ctr images import "/mnt/nodes/image-$tag.tar" >/dev/null &&
			on ctr run --rm --privileged --mount type=bind,src=/,dst=/host,options=rbind:rw \
				"kata-deploy:$(version_of "$tag")" "i$RANDOM$RANDOM" /kata-deploy "$@"
		;;
	docker)
		on docker load -qi "/mnt/nodes/image-$tag.tar" >/dev/null &&
			on docker run --rm --privileged --network none -v /:/host "kata-deploy:$(version_of "$tag")" "$@"
		;;
	esac
}
image_install() {
	# With --root kata-deploy cannot see which container manager runs, and Docker comes with a containerd.
	image_run this install --root /host --yes --cri "$engine" || return
	case $engine in
	containerd) on rc-service containerd restart && node_answers ctr version ;;
	docker) node_end && node_begin ;;
	esac
}
image_upgrade() { image_run next upgrade --root /host --yes; }
image_remove() { image_run next uninstall --root /host --yes --forget-trust; }

# Like snapd: mounts the snap's file system at its revision, and runs its hooks.
snap_at=/snap/kata-containers
snap_program() { on "$snap_at/current/bin/kata-deploy" "$@"; }
snap_revision() { # REVISION TAG HOOK
	mkdir -p "$NODE$snap_at/$1"
	mount -o loop,ro "$BUILD_AT"/nodes/snap-"$2"/kata-containers_*.snap "$NODE$snap_at/$1" &&
		ln -sfn "$1" "$NODE$snap_at/current" && on env SNAP="$snap_at/$1" "$snap_at/$1/meta/hooks/$3"
}
snap_install() { snap_revision x1 this install; }
snap_upgrade() { snap_revision x2 next post-refresh && umount "$NODE$snap_at/x1"; }
snap_remove() {
	on env SNAP="$snap_at/x2" "$snap_at/x2/meta/hooks/remove" && snap_program uninstall --yes --forget-trust &&
		umount "$NODE$snap_at/x2" && rm -r "$NODE${snap_at%/*}"
}

# --- the life cycle ---

life() { # WAY
	local way=$1 before first guest
	node_image
	before=$(changes)
	has "doctor before" "$("${way}_doctor" 2>&1)" "QEMU comes with a release"
	"${way}_install"
	first=$(current)
	has "what is installed" "$first" "$(version_of this)"
	has "doctor after" "$("${way}_program" doctor)" "bin/qemu-system-x86_64 of the release is there"
	"${way}_program" prove
	guest=$(in_kata uname -r)
	[ -n "$guest" ] && [ "$guest" != "$(uname -r)" ]
	held_start
	"${way}_upgrade"
	has "after the upgrade" "$(current)" "$(version_of next)"
	expect "the one before lives" "$(held_says)" alive
	"${way}_program" prove
	"${way}_program" rollback --yes
	expect "rolled back" "$(current)" "$first"
	expect "it lives" "$(held_says)" alive
	held_stop
	"${way}_program" verify
	"${way}_remove"
	diff <(echo "$before") <(changes)
}
directory_doctor() { on "$portable" doctor; }
http_doctor() { directory_doctor; }
deb_doctor() { directory_doctor; }
image_doctor() { directory_doctor; }
snap_doctor() { directory_doctor; }

test_directory() { life directory; }
test_http() { life http; }
test_deb() { life deb; }
test_image() { life image; }
test_snap() { life snap; }

# The apps have upstream's names (`runtime` becomes the command kata-containers.runtime), and are this release's.
test_snap_apps() {
	local app command
	snap_install
	for app in runtime shim collect-data deploy manager; do
		command=$(sed -n "/^  $app:\$/{n;s/^ *command: *//p}" "$NODE$snap_at/current/meta/snap.yaml")
		has "$app" "$(on "$snap_at/current/$command" --version)" "$(version_of this)"
	done
	on "$snap_at/current/bin/run-kata-runtime" check
	on "$snap_at/current/bin/run-kata-collect-data" --show >/dev/null
	snap_revision x2 next post-refresh
	umount "$NODE$snap_at/x1"
	has "after a refresh" "$(on "$snap_at/current/bin/run-containerd-shim-kata-v2" --version)" "$(version_of next)"
	snap_remove
}

# A node with nothing but busybox: no libc, no container manager.
test_bare() {
	local before program said
	before=$(changes)
	fails_saying "doctor" 12 "no container manager was found" on "$portable" doctor
	fails_saying "an install" 5 "name yours with --cri" directory_install
	diff <(echo "$before") <(changes)
	directory_install --cri none --no-proof
	for program in containerd-shim-kata-v2 kata-runtime kata-deploy kata-manager qemu-system-x86_64; do
		on "/opt/kata/bin/$program" --version
	done
	on /opt/kata/libexec/virtiofsd --version
	said=$(on /opt/kata/bin/kata-runtime check 2>&1) || true
	has "check" "$said" "of this release"
	said=$(fails 12 on /opt/kata/bin/kata-deploy doctor)
	has "doctor after" "$said" "bin/qemu-system-x86_64 of the release is there"
	has "what is still missing" "$said" "no container manager was found"
	on /opt/kata/bin/kata-collect-data --show >/dev/null
	directory_program upgrade --yes --release "$two" --cri none --no-proof
	directory_program rollback --yes
	directory_program verify
	directory_remove
	diff <(echo "$before") <(changes)
}

# --- what the node lacks is reported once, and the attempt leaves nothing behind ---

refuses() { # STATUS TEXT COMMAND...
	local before
	before=$(changes)
	fails_saying "$3" "$@"
	diff <(echo "$before") <(changes)
}

test_no_kvm() {
	local said
	umount -l "$NODE/dev" && mknod -m 666 "$NODE/dev/null" c 1 3 && mknod -m 666 "$NODE/dev/urandom" c 1 9
	said=$(directory_doctor)
	has "doctor before" "$said" "/dev/kvm: .*VMs run without KVM"
	has "what to do" "$said" "load the module kvm_intel or kvm_amd"
	directory_install --no-proof
	said=$(directory_program doctor)
	has "doctor after" "$said" "bin/qemu-system-x86_64 of the release is there"
	has "KVM is still missing" "$said" "/dev/kvm: .*VMs run without KVM"
	mkdir -p "$NODE/opt/kata/etc/config.d"
	printf '[hypervisor.qemu]\naccelerator = "kvm"\n' >"$NODE/opt/kata/etc/config.d/10-kvm.toml"
	said=$(fails 1 directory_program prove)
	has "the proof" "$said" "/dev/kvm"
}

test_no_space() {
	mount -t tmpfs -o size=24m small "$NODE/opt"
	refuses 12 "only 2[34] MiB are free for /opt/kata" directory_doctor
	refuses 12 "free some space: an install needs 200 MiB" directory_doctor
	refuses 10 "KiB are needed; free some space" directory_install
	[ -z "$(ls -A "$NODE/opt")" ]
}

# Distributions still use kernels 4.18 and 5.4.
test_old_kernel() {
	local calls=openat2,pidfd_open,clone3,close_range,landlock_create_ruleset,open_tree,mount_setattr
	refuses 12 "the kernel is too old: update it" on /mnt/tools/without $calls "$portable" install --yes --release "$one" --key "$key"
	fails_saying doctor 12 "update the kernel" on /mnt/tools/without $calls "$portable" doctor
}

trap node_end EXIT
node_kind "$2"
node_begin
"$3"
