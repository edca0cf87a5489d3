#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests the container image of a release: image.sh PORTABLE-KATA-DEPLOY MKIMAGE
#
# Made twice it has the same bytes. skopeo, umoci and a registry read it and report the same digests. Its artifacts are
# found and verify. A container of it installs below another root the same files as kata-deploy itself.
set -u
cd "$(dirname "$0")/.." || exit 1

deploy=$(realpath "$1") mkimage=$(realpath "$2")
dir=$(mktemp -d /tmp/kata-image-XXXXXX)
registry=
finish() {
	[ -z "$registry" ] || kill "$registry" 2>/dev/null
	# podman leaves control groups behind. rmdir keeps those that are in use.
	find /sys/fs/cgroup/*/libpod_parent -depth -type d -exec rmdir {} + 2>/dev/null
	umount "$dir/podman/store/vfs" 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
# shellcheck source=tests/checked.sh
. tests/checked.sh
has() { type -P "$1" >/dev/null || { echo "  skipped: $1 is not here"; false; }; }

export BUILD=$dir SOURCE_DATE_EPOCH=1700000000 LEVEL=1 EXPIRES=2099-01-01T00:00:00Z COMPONENTS=$dir/components.yaml
export KEY=$dir/key.key KEYS=$dir/key.pub
printf '%s\n' 'components:' '  - {name: a, text: a, required: true, paths: [bin]}' \
	'  - {name: b, text: b, paths: [share]}' 'copies: []' >"$COMPONENTS"
"$deploy" keys generate --no-passphrase "$dir/key" >/dev/null
"$deploy" keys generate --no-passphrase "$dir/other" >/dev/null
mkdir -p "$dir/tree/bin" "$dir/tree/share/deep/er"
echo tool >"$dir/tree/bin/tool" && chmod 755 "$dir/tree/bin/tool"
head -c 3000000 /dev/urandom >"$dir/tree/share/deep/er/file"
ln -s deep/er/file "$dir/tree/share/link"
release() { # OUT VERSION; without a channel, which would have expired
	packaging/release.sh "$deploy" "$dir/tree" "$1" "$2" 6.1 >"$dir/said" 2>&1 && rm "$1"/channel.*
}
image() { packaging/image.sh "$deploy" "$mkimage" "$@"; } # RELEASE OUT NAME
release "$dir/one" 1.0.0 || result 1 "a release"
echo tool 2 >"$dir/tree/bin/tool"
release "$dir/two" 2.0.0 || result 1 "another release"

# A refusal by image.sh must leave nothing behind.
refuses() { # TEXT COMMAND...
	local text=$1 before
	shift
	before=$(ls -A "$dir")
	! "$@" >"$dir/said" 2>&1 && grep -qF -- "$text" "$dir/said" && [ "$(ls -A "$dir")" = "$before" ]
}
touch "$dir/said"
cp -r "$dir/one" "$dir/unsigned" && rm "$dir"/unsigned/*.minisig
check "what is no release" refuses "has no release.yaml" image "$dir/tree" "$dir/image" a:1
check "an unsigned release" refuses "is not signed" image "$dir/unsigned" "$dir/image" a:1
check "keys that did not sign it" refuses "would not accept it" \
	env KEYS="$dir/other.pub" packaging/image.sh "$deploy" "$mkimage" "$dir/one" "$dir/image" a:1
check "a directory of somebody else's" refuses "contains something other" image "$dir/one" "$dir/tree" a:1
check "a name without a tag" refuses "NAME:TAG" image "$dir/one" "$dir/image" a

# The same bytes, from copies elsewhere, with other times, owners and rights.
check "an image" image "$dir/one" "$dir/image" registry.example/kata-deploy:1.0.0
digest=$(tail -n 1 "$dir/said")
size=$(sed -n 's/.* \([0-9]*\) more than the release$/\1/p' "$dir/said")
result $((size > 8 << 20)) "its size: at most 8 MiB more than the release" "$size"
again() {
	local far=$dir/far/away
	mkdir -p "$far" && cp -r "$dir/one" "$far/" && cp "$deploy" "$far/program" || return
	touch -d 2001-01-01 "$far/program" && chmod -R go-rwx "$far"
	[ "$(id -u)" != 0 ] || chown -R nobody "$far/one"
	(umask 077 && TZ=Asia/Tokyo packaging/image.sh "$far/program" "$mkimage" "$far/one" "$far/image" \
		registry.example/kata-deploy:1.0.0) && diff -r "$dir/image" "$far/image" &&
		cmp "$dir/image.tar" "$far/image.tar"
}
check "made again it is the same bytes" again
digests() {
	(cd "$dir/image/blobs/sha256" && find . -type f -printf "%f  %f\n" | sha256sum -c --quiet)
}
check "every blob has the digest that names it" digests
elsewhere() {
	KEY=none image "$dir/one" "$dir/signed-later" registry.example/kata-deploy:1.0.0 || return
	! diff -r "$dir/image" "$dir/signed-later" >/dev/null || return
	cp "$dir/signed-later/blobs/sha256/${digest#sha256:}" "$dir/index.json" &&
		"$deploy" keys sign --key "$dir/key.key" --comment "image of kata 1.0.0, $digest" "$dir/index.json" &&
		"$mkimage" attach --to 1.0.0 "$dir/signed-later" \
			"application/vnd.kata-containers.minisign=$dir/index.json.minisig" &&
		diff -r "$dir/image" "$dir/signed-later"
}
check "signed elsewhere it is the same too" elsewhere
upgraded() {
	image "$dir/two" "$dir/image2" kata-deploy:2.0.0 || return
	cp -r "$dir/image" "$dir/over" && image "$dir/two" "$dir/over" kata-deploy:2.0.0 &&
		diff -r "$dir/image2" "$dir/over" || return
	# The program and the unchanged component, identified by size: nothing else is large.
	[ "$(find "$dir/image/blobs" -size +1M -printf '%f\n' | sort)" = \
		"$(find "$dir/image2/blobs" -size +1M -printf '%f\n' | sort)" ]
}
check "the next release's shares the layers that did not change" upgraded

# --- readers ---

if has skopeo; then
	oci=oci:$dir/image:1.0.0
	copied() { # skopeo compares digests and sizes, and the configuration with the layers.
		skopeo --insecure-policy copy --all "$oci" "oci:$dir/copied:1.0.0" &&
			cmp "$dir/image/blobs/sha256/${digest#sha256:}" "$dir/copied/blobs/sha256/${digest#sha256:}"
	}
	check "skopeo copies it, and says the same digest" copied
	labels() {
		skopeo inspect --config "$oci" >"$dir/config" && for l in title=kata-deploy version=1.0.0 \
			created=2023-11-14T22:13:20Z; do
			grep -q "\"org.opencontainers.image.${l%%=*}\": *\"${l#*=}\"" "$dir/config" || return
		done
		grep -q '"Entrypoint": *\[' "$dir/config"
	}
	check "its labels" labels
	archived() { # The archive has no other image, and Docker's manifest.json names the same files.
		[ "$(tar -xOf "$dir/image.tar" index.json | grep -o '"mediaType"' | wc -l)" = 1 ] &&
			skopeo --insecure-policy copy --all "oci-archive:$dir/image.tar" "oci:$dir/from-archive:1.0.0" &&
			cmp "$dir/image/blobs/sha256/${digest#sha256:}" "$dir/from-archive/blobs/sha256/${digest#sha256:}" &&
			skopeo --insecure-policy copy "docker-archive:$dir/image.tar" "oci:$dir/from-docker:1.0.0" &&
			skopeo inspect "docker-archive:$dir/image.tar" | grep -q '"org.opencontainers.image.version": "1.0.0"'
	}
	check "its archive is the same image, for engines that import a file" archived
	damaged() {
		cp -r "$dir/image" "$dir/damaged" && find "$dir/damaged/blobs" -size +1M -exec truncate -s -1 {} + &&
			! "$mkimage" archive --to 1.0.0 "$dir/damaged" "$dir/damaged.tar" 2>"$dir/said" &&
			grep -q "another digest than its name" "$dir/said"
	}
	check "of a damaged layout none is made" damaged
fi
if has umoci; then
	unpacked() {
		umoci raw unpack --rootless --image "$dir/image:1.0.0" "$dir/unpacked" 2>"$dir/umoci" ||
			umoci raw unpack --image "$dir/image:1.0.0" "$dir/unpacked" || return
		cmp "$deploy" "$dir/unpacked/kata-deploy" && diff -r "$dir/one" "$dir/unpacked/release" &&
			cmp "$dir/key.pub" "$dir/unpacked/keys/key.pub"
	}
	check "umoci unpacks it: the program, the release, the keys" unpacked
fi
serve() {
	local port
	for port in 38917 41833 45971; do
		printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
			"$dir/registry" "$port" >"$dir/registry.yml"
		docker-registry serve "$dir/registry.yml" >"$dir/registry.log" 2>&1 &
		registry=$!
		for _ in {1..100}; do
			kill -0 "$registry" 2>/dev/null || continue 2
			if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
				host=127.0.0.1:$port
				return 0
			fi
			sleep 0.1
		done
	done
	cat "$dir/registry.log"
	return 1
}
host=
if has skopeo && has docker-registry; then
	check "a registry" serve
fi
if [ -n "$host" ]; then
	push=(skopeo --insecure-policy copy --all --dest-tls-verify=false --preserve-digests)
	pull=(skopeo --insecure-policy copy --all --src-tls-verify=false --preserve-digests)
	pushed() {
		"${push[@]}" "oci:$dir/image:1.0.0" "docker://$host/kata-deploy:1.0.0" &&
			"${pull[@]}" "docker://$host/kata-deploy@$digest" "oci:$dir/pulled:1.0.0" &&
			cmp "$dir/image/blobs/sha256/${digest#sha256:}" "$dir/pulled/blobs/sha256/${digest#sha256:}"
	}
	check "a registry takes it and gives it back, with the same digest" pushed
	# Like a verifier that knows only the digest: fetches the tag of its referrers, and their contents. Debian 12's
	# skopeo drops the artifact types from the list, which registries create themselves.
	through() { # TAG TO
		skopeo --insecure-policy copy -q --all --dest-tls-verify=false "oci:$dir/image:$1" "docker://$host/kata-deploy:$1" &&
			skopeo --insecure-policy copy -q --all --src-tls-verify=false "docker://$host/kata-deploy:$1" "oci:$2:$1"
	}
	verified() {
		through "${digest/:/-}" "$dir/referrers" || return
		grep -lq "\"subject\":{[^}]*\"digest\":\"$digest\"" "$dir"/referrers/blobs/sha256/* || return
		cp "$(grep -l '^trusted comment: image of kata 1.0.0' "$dir"/referrers/blobs/sha256/*)" "$dir/index.minisig"
		minisign -Vm "$dir/pulled/blobs/sha256/${digest#sha256:}" -x "$dir/index.minisig" -p "$dir/key.pub"
	}
	check "its signature is found there, and minisign verifies it" verified
	documents() { # Of the image for this architecture.
		local manifest
		manifest=$(grep -o '"digest":"sha256:[0-9a-f]*"' "$dir/image/blobs/sha256/${digest#sha256:}" | head -n 1)
		manifest=${manifest#*:\"} manifest=${manifest%\"}
		through "${manifest/:/-}" "$dir/documents" || return
		for document in sbom.spdx.json provenance.intoto.json; do
			cmp "$dir/one/$document" "$dir/documents/blobs/sha256/$(sha256sum "$dir/one/$document" | cut -d' ' -f1)" || return
		done
		grep -lq '"artifactType":"application/spdx+json"' "$dir"/documents/blobs/sha256/*
	}
	check "its SBOM and provenance too" documents
fi

# --- a container of it ---

# A node with one program, in /usr, whose loader and libraries are beside /usr: /lib64 is a directory. A pod, which has only
# /usr and /proc of the node below /host, runs the program there.
apart() {
	local layer file
	mkdir -p "$dir/split/proc" "$dir/pod"
	for file in /usr/bin/true $(ldd /usr/bin/true | grep -o '/[^ ]*'); do
		cp -L --parents "$file" "$dir/split" || return
	done
	cp "$(command -v busybox)" "$dir/split/busybox" || return
	for layer in "$dir"/image/blobs/sha256/*; do
		! gzip -t "$layer" 2>/dev/null || tar -xzf "$layer" -C "$dir/pod" || return
	done
	mkdir -p "$dir"/pod/host/{proc,usr} || return
	# shellcheck disable=SC2016
	timeout -s KILL 60 unshare --mount --pid --fork --kill-child sh -ec '
		mount --make-rprivate /
		mount -t proc proc "$1/split/proc"
		mount --bind "$1/split/proc" "$1/pod/host/proc"
		mount --bind "$1/split/usr" "$1/pod/host/usr"
		(
			until [ -e "$1/pod/host/proc/1/root/busybox" ]; do sleep 0.1; done
			chroot "$1/pod/host" /usr/bin/true && echo ran >"$1/split/ended" || echo failed >"$1/split/ended"
		) &
		exec chroot "$1/split" /busybox sh -c "until [ -s /ended ]; do /busybox usleep 100000; done"' sh "$dir"
	[ "$(cat "$dir/split/ended")" = ran ]
}
if [ "$(id -u)" != 0 ] || ! has busybox || ! unshare --mount true 2>/dev/null; then
	echo "  skipped: a node needs root, namespaces and busybox"
else
	check "a pod runs programs of a node whose /usr is apart" apart
fi

# A runtime that does not change limits, because some machines do not allow that.
runtime() {
	mkdir -p "$dir/podman/bin"
	cat >"$dir/podman/bin/runc" <<-'END'
		#!/bin/sh
		bundle= last=
		for word; do
			[ "$last" != --bundle ] || bundle=$word
			last=$word
		done
		[ -z "$bundle" ] || sed -i 's/"rlimits":\[[^]]*\]/"rlimits":[]/' "$bundle/config.json"
		PATH=$PATH:/usr/sbin exec "$(PATH=$PATH:/usr/sbin command -v runc)" "$@"
	END
	chmod 755 "$dir/podman/bin/runc"
}
podman() {
	command podman --runtime "$dir/podman/bin/runc" --root "$dir/podman/store" --runroot "$dir/podman/run" \
		--tmpdir "$dir/podman/tmp" --storage-driver vfs --cgroup-manager cgroupfs --events-backend none "$@"
}
if [ "$(id -u)" != 0 ]; then
	echo "  skipped: podman run needs root"
elif has podman && has runc; then
	runtime
	mkdir -p "$dir"/{by-image,by-hand}/{etc,opt}
	inside() { # ARG...
		podman run --rm --privileged --network none --env SOURCE_DATE_EPOCH=1700000000 \
			-v "$dir/by-image:/host" "$id" "$@"
	}
	# In its directory, because the name of an image must not have capital letters.
	id=$(cd "$dir" && podman pull -q oci:image:1.0.0 2>"$dir/said")
	result "$([ -n "$id" ] && echo 0 || echo 1)" "podman takes it"
	check "a container installs below --root" inside install --root /host --cri none --no-proof --yes
	# The program itself with the same input must not remember where release and keys were.
	KATA_DEPLOY_RELEASE=$dir/one KATA_DEPLOY_TRUST_DIR=$dir/unpacked/keys \
		"$deploy" install --root "$dir/by-hand" --cri none --no-proof --yes >"$dir/said" 2>&1
	# Every name, type, mode, owner, link and content, except where the key was found.
	tree() {
		sed -i 's#[^"]*/key.pub#key.pub#' "$1/opt/kata/state/trust.json"
		(cd "$1" && find . -printf '%p %y %m %U %G %l\n' | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum)
	}
	compare() { diff <(tree "$dir/by-hand") <(tree "$dir/by-image") && [ -x "$dir/by-image/opt/kata/bin/tool" ]; }
	check "which is what the program installs" compare
	check "and finds it whole" inside verify --root /host
	check "again there is nothing to do" inside install --root /host --cri none --no-proof --yes
	check "and takes it away" inside uninstall --root /host --yes --forget-trust
	left=$(cd "$dir/by-image" && find . | sort | tr '\n' ' ')
	result "$([ "$left" = ". ./etc ./opt " ] && echo 0 || echo 1)" "to the last file" "$left"
	podman rmi -f "$id" >/dev/null 2>&1
fi

checked image
