# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2034
# shellcheck shell=bash
# kata-manager, and the portable programs.

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
	has "status" "$(managed status)" "current"
	has "upgrade" "$(managed upgrade --release "$two" --key "$two/development.pub" --cri containerd \
		--no-proof -- "${more[@]}" 2>&1)" "is installed"
	has "switch" "$(managed switch "$(sed -n 's/^version: "\?\([0-9.]*\)"\?$/\1/p' "$one/release.yaml")" \
		-- --lock "$LAB/lock" --trust-memory "$LAB/memory")" "current is"
	has "rollback" "$(managed rollback -- --lock "$LAB/lock" --trust-memory "$LAB/memory")" "current is"
	managed remove -- "${more[@]}" --cri containerd >/dev/null
	expect "the node" "$(node_digest)" "$before"
}

test_manager_says_what_is_wrong() {
	has "no release" "$(fails 2 managed install --cri containerd 2>&1)" "--release"
	has "a verb" "$(fails 2 "$manager" instal)" "did you mean install"
	has "a client" "$(fails 2 "$manager" try --with podman busybox)" "nerdctl, docker and ctr"
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
	port=$(node_port "$server")
	mkdir -p "$root/etc"
	printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
	mount --bind /dev "$root/dev"
	mount -t proc proc "$root/proc"
	NODE_CLEAN="umount $root/dev $root/proc; kill $server"
	env -u SSL_CERT_FILE chroot "$root" /kata-deploy install --release "https://localhost:$port/" --key /key.pub \
		--cacert /ca.pem --cache /tmp/cache --cri none --yes --quiet
	[ -x "$root/opt/kata/bin/containerd-shim-kata-v2" ]
	has "no authority" "$(fails 17 env -u SSL_CERT_FILE chroot "$root" /kata-deploy plan --release \
		"https://localhost:$port/" --key /key.pub --cache /tmp/cache --cri none --quiet)" certificate
	chroot "$root" /kata-deploy uninstall --yes --quiet
	[ ! -e "$root/opt/kata" ]
	echo "    portable kata-deploy: $(stat -c %s "$portable") bytes"
}
