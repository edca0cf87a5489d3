# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2034
# shellcheck shell=bash
# Tests kata-manager and the portable programs.

managed() { # VERB [OPTION...] [-- OPTION...]
	local verb=$1
	shift
	"$manager" "$verb" --prefix "$PREFIX" --yes "$@"
}

test_manager_from_nothing_to_a_container() {
	local before more=(--lock "$LAB/lock" --trust-memory "$LAB/memory" --cri-config "$LAB/etc/config.toml"
		--cri-socket "$LAB/containerd.sock" --restart-with "$LAB/restart")
	before=$(node_digest)
	has "install" "$(managed install --release "$one" --key "$one/development.pub" --cri containerd \
		-- "${more[@]}" 2>&1)" "proved in a VM"
	has "status" "$("$manager" status --prefix "$PREFIX")" "current"
	has "upgrade" "$(managed upgrade --release "$two" --key "$two/development.pub" --cri containerd \
		--no-proof -- "${more[@]}" 2>&1)" "is installed"
	has "switch" "$(managed switch "$(sed -n 's/^version: "\?\([0-9.]*\)"\?$/\1/p' "$one/release.yaml")" \
		-- --lock "$LAB/lock" --trust-memory "$LAB/memory")" "current is"
	has "rollback" "$(managed rollback -- --lock "$LAB/lock" --trust-memory "$LAB/memory")" "current is"
	managed remove -- "${more[@]}" --cri containerd >/dev/null
	expect "the node" "$(node_digest)" "$before"
}

test_manager_says_what_is_wrong() {
	fails_saying "no release" 2 "--release" managed install --cri containerd
	fails_saying "a verb" 2 "did you mean install" "$manager" instal
	fails_saying "a client" 2 "nerdctl, docker and ctr" "$manager" try --with podman busybox
}

# The portable program in a root without anything, against an https server with a test authority.
test_portable_in_an_empty_root() {
	local root=$LAB/empty port=0 server
	mkdir -p "$root"/{proc,dev,tmp,run/lock}
	cp "$portable" "$root/kata-deploy"
	cp "$one/development.pub" "$root/key.pub"
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$LAB/ca.key" -out "$root/ca.pem" -days 2 \
		-subj /CN=authority 2>/dev/null
	openssl req -newkey rsa:2048 -nodes -keyout "$LAB/server.key" -out "$LAB/server.csr" \
		-subj /CN=localhost 2>/dev/null
	printf 'subjectAltName=DNS:localhost' >"$LAB/ext"
	openssl x509 -req -in "$LAB/server.csr" -CA "$root/ca.pem" -CAkey "$LAB/ca.key" \
		-CAcreateserial -out "$LAB/server.pem" -days 2 -extfile "$LAB/ext" 2>/dev/null
	nghttpd -a 127.0.0.1 -d "$one" 0 "$LAB/server.key" "$LAB/server.pem" >/dev/null 2>&1 &
	server=$!
	NODE_CLEAN="kill $server"
	port=$(port_of "$server")
	mkdir -p "$root/etc"
	printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
	mount --bind /dev "$root/dev"
	mount -t proc proc "$root/proc"
	NODE_CLEAN="umount $root/dev $root/proc; kill $server"
	env -u SSL_CERT_FILE chroot "$root" /kata-deploy install --release "https://localhost:$port/" --key /key.pub \
		--cacert /ca.pem --cache /tmp/cache --cri none --yes --quiet
	[ -x "$root/opt/kata/bin/containerd-shim-kata-v2" ]
	fails_saying "no authority" 17 certificate env -u SSL_CERT_FILE chroot "$root" /kata-deploy plan --release \
		"https://localhost:$port/" --key /key.pub --cache /tmp/cache --cri none --quiet
	chroot "$root" /kata-deploy uninstall --yes --quiet
	[ ! -e "$root/opt/kata" ]
	echo "    portable kata-deploy: $(stat -c %s "$portable") bytes"
}
