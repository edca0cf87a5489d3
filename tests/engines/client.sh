#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs containerd's own client tests with runc and with kata: client.sh PREFIX PROGRAM REGISTRY [TEST...]
#
# Runs inside enter.sh. PROGRAM is the test program built from integration/client of containerd's source (README.md),
# REGISTRY a docker-registry program, which serves the images that the tests pull. Each test has a containerd of its own.
# runc shows which tests pass here; kata must pass the same, except those in client.skip, and leave nothing behind.
set -u
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/integration/lib.sh
. tests/integration/lib.sh
# shellcheck source=tests/engines/docker-lib.sh
. tests/engines/docker-lib.sh # for docker_left, which finds remains of any sandbox
# shellcheck source=tests/integration/expect.sh
. tests/integration/expect.sh
prefix=$1 program=$2 registry=$3
shift 3
exec </dev/null

# Serves the images under their own names, from a registry that stands for the real ones.
sites=(ghcr.io registry.k8s.io)
images=("${sites[0]}"/containerd/{busybox:1.3{2,6},volume-copy-up:2.{1,2},volume-ownership:2.1,alpine:3.14.0}
	"${sites[1]}/pause:3.10")
serve() {
	local name here=()
	mkdir -p "$LAB/registry"
	# By default containerd 2 pushes in the server, which does not know the certificate.
	ctr images push --help 2>&1 | grep -q -e --local && here=(--local)
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=${sites[0]}" \
		-addext "subjectAltName=$(printf ',DNS:%s' "${sites[@]}" | cut -c2-)" -keyout "$LAB/key.pem" -out "$LAB/site.pem" >"$LAB/openssl.log" 2>&1
	echo "127.0.0.1 ${sites[*]}" >>/etc/hosts
	cat >"$LAB/registry.yaml" <<-EOF
		version: 0.1
		storage: {filesystem: {rootdirectory: $LAB/registry}}
		http: {addr: "127.0.0.1:443", tls: {certificate: $LAB/site.pem, key: $LAB/key.pem}}
	EOF
	"$registry" serve "$LAB/registry.yaml" >"$LAB/registry.log" 2>&1 &
	lab_busybox "$LAB/image"
	# The users that the tests expect, and none with the ids that they use without a name.
	printf '%s\n' root:x:0:0::/root:/bin/sh sync:x:4:100::/bin:/bin/sync www-data:x:33:33::/var/www:/bin/false >"$LAB/image/etc/passwd"
	printf '%s\n' root:x:0: users:x:100: www-data:x:33: >"$LAB/image/etc/group"
	lab_import "$LAB/image" '{"Env":["PATH=/bin"],"Cmd":["sh"]}' "${images[@]}"
	for name in "${images[@]}"; do
		for _ in $(seq 600); do
			SSL_CERT_FILE=$LAB/site.pem ctr --address "$LAB/containerd.sock" images push "${here[@]}" "$name" \
				>"$LAB/push.log" 2>&1 && continue 2
			sleep 0.1
		done
		return 1
	done
}

# Removes what a failed test has left, which would make the next one fail.
clear_all() {
	pkill -KILL -f '^[^ ]*(containerd-shim|qemu-system|virtiofsd)' # in a process namespace that is ours
	awk '$5 ~ /^\/run\/(containerd-test|kata-containers|vc)|^\/var\/lib\/containerd-test/ { print $5 }' \
		/proc/self/mountinfo | sort -r | xargs -r umount -l
	rm -rf /run/containerd-test /var/lib/containerd-test /run/vc/sbs /run/vc/vm /run/kata-containers
}

# Prints a line "STATUS TEST" for each test: passed, failed, skipped. The output of a failed one is in
# $LAB/RUNTIME-TEST.log.
suite() { # RUNTIME TEST...
	local runtime=$1 t log status start
	shift
	for t; do
		log=$LAB/$runtime-$t.log status=failed start=$SECONDS
		TEST_RUNTIME=io.containerd.$runtime.v2 PATH=$LAB_PREFIX/bin:$PATH SSL_CERT_FILE=$LAB/site.pem timeout 300 \
			"$program" -test.v -test.run "^$t\$" -test.root -no-criu >"$log" 2>&1 &&
			status=passed && { ! grep -q "^--- SKIP: $t " "$log" || status=skipped; }
		docker_gone >>"$log" || status=left
		[ -z "${KATA_CLIENT_LOGS:-}" ] || cp "$log" "$KATA_CLIENT_LOGS/"
		[ "$status" = passed ] || [ "$status" = skipped ] || clear_all
		echo "$status $t $((SECONDS - start))"
	done
}

known() { sed '/^#/d;/^$/d' tests/engines/client.skip; }

mount -t tmpfs client /var/lib # an overlay cannot be made on the overlay that is our root
lab_start "$prefix"
serve || {
	echo "images cannot be served: $(cat "$LAB/push.log" "$LAB/registry.log")"
	exit 1
}
lab_stop_containerd
[ $# -gt 0 ] || mapfile -t tests < <("$program" -test.short -test.list . | grep '^Test')
[ $# = 0 ] || tests=("$@")
suite runc "${tests[@]}" >"$LAB/runc"
mapfile -t wanted < <(sed -n 's/^passed \([^ ]*\) .*/\1/p' "$LAB/runc" | grep -vxFf <(known))
echo "  of ${#tests[@]} tests runc passes $(grep -c '^passed' "$LAB/runc"), skips $(grep -c '^skipped' "$LAB/runc")"
sed -n 's/^\(failed\|left\) \([^ ]*\) .*/    runc fails \2/p' "$LAB/runc"
while read -r status t seconds; do
	[ "$status" = passed ]
	counted $? "$t" $((SECONDS - seconds)) || {
		grep -v log_hook "$LAB/kata-$t.log" | grep -E '^ +[a-z_]*\.go:[0-9]*: |left:|^panic' | head -n 8 | sed 's/^ */    /'
	}
done < <(suite kata "${wanted[@]}")
totals client
