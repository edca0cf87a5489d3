#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs Kubernetes' own tests of nodes, those that it calls NodeConformance, on a node whose default runtime is runc and
# on one whose default runtime is kata: [FOCUS=REGEX] [SKIP=REGEX] [HANDLERS="runc kata"] conformance.sh BUILD
#
# Fails if kata fails a test that runc passes. conformance.skip lists tests that are not run, with reasons. BUILD has kubernetes/ (build.sh with the parts servers and conformance),
# bin/, tools/ and demo/ (make demo-releases). With CLUSTER_KEEP=DIRECTORY the reports of the tests stay there.
#
# The cluster has no DNS and no kube-proxy, so tests that need those are skipped with both.
set -u
# shellcheck source=tests/kubernetes/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/expect.sh
. "$(dirname "$0")/../integration/expect.sh"
cluster_apart "$0" "$@"
BUILD=$(realpath -e -- "$1") || exit
cd "$(dirname "$0")/../.." || exit
exec </dev/null
FOCUS=${FOCUS:-NodeConformance}
SKIP=${SKIP:-Serial|Slow|Disruptive|Flaky|Probing container}
read -ra handlers <<<"${HANDLERS:-runc kata}"

# Imports the images that the tests name. What they need of them is a shell, their own programs, and a curl.
images() {
	local root=$LAB/image programs=$BUILD/kubernetes
	mkdir -p "$LAB/pause"
	cp "$BUILD/tools/pause" "$LAB/pause/pause"
	cluster_image "$LAB/pause" '{"Entrypoint":["/pause"]}' "$PAUSE_IMAGE" || return
	lab_busybox "$root"
	chmod 1777 "$root/tmp"
	mkdir "$root/www" "$root/uploads"
	echo served >"$root/www/index.html"
	cluster_image "$root" '{"Env":["PATH=/bin"],"Cmd":["sh"]}' docker.io/library/busybox:1.29 || return
	cluster_image "$root" '{"Env":["PATH=/bin"],"User":"1234","Cmd":["sh"]}' \
		gcr.io/kubernetes-e2e-test-images/nonroot:1.0 || return
	cluster_image "$root" '{"Env":["PATH=/bin"],"Cmd":["httpd","-f","-p","80","-h","/www"]}' \
		docker.io/library/httpd:2.4.{38,39}-alpine docker.io/library/nginx:1.{14,15}-alpine || return
	cp "$programs/nnp" "$root/bin/"
	chmod 6755 "$root/bin/nnp"
	cluster_image "$root" '{"Env":["PATH=/bin"],"Cmd":["nnp"]}' gcr.io/kubernetes-e2e-test-images/nonewprivs:1.0 || return
	cp "$programs/agnhost" "$root/agnhost"
	ln -s agnhost "$root/agnhost-2"
	# The tests give options and one URL. With a time limit busybox' wget would end with a segmentation fault.
	cat >"$root/bin/curl" <<-'EOF'
		#!/bin/sh
		while [ $# -gt 1 ]; do shift; done
		exec wget -q -O - "$1"
	EOF
	chmod 0755 "$root/bin/curl"
	cluster_image "$root" '{"Env":["PATH=/bin"],"Entrypoint":["/agnhost"],"Cmd":["pause"]}' \
		k8s.gcr.io/e2e-test-images/agnhost:2.21
}

# Makes kata the runtime of every pod of the node that asks for none.
kata_is_default() { # NODE
	node_run "$1" "$BUILD/bin/kata-deploy" install --yes --release "$BUILD/demo/this" \
		--key "$BUILD/demo/this/development.pub" >"$LAB/install.log" 2>&1 || {
		cat "$LAB/install.log"
		return 1
	}
	node_run "$1" sed -i 's|^ *\[plugins."io.containerd.grpc.v1.cri".cni\]|[plugins."io.containerd.grpc.v1.cri".containerd]\n  default_runtime_name = "kata"\n&|' \
		/etc/containerd/config.toml
	node_run "$1" systemctl restart containerd
	until_true 120 node_run "$1" ctr version && node_ready "$1"
}

# Runs the tests on one node; their names are in $LAB/NODE.passed and $LAB/NODE.failed then.
conformance() { # NODE
	local node result began=$SECONDS
	for node in "${handlers[@]}"; do
		kubectl cordon "$node" >/dev/null
	done
	kubectl uncordon "$1" >/dev/null
	"$BUILD/kubernetes/e2e.test" --kubeconfig="$KUBECONFIG" --provider=skeleton \
		--kubectl-path="$CLUSTER_PROGRAMS/kubectl" --num-nodes=1 --allowed-not-ready-nodes="${#handlers[@]}" \
		--dump-logs-on-failure=false --disable-log-dump --report-dir="$LAB/report-$1" \
		--ginkgo.focus="$FOCUS" --ginkgo.skip="$SKIP|$(skip_list tests/kubernetes/conformance.skip "$1")" --ginkgo.noColor >"$LAB/$1.log" 2>&1
	for result in passed failed; do
		sed -n "s/^.*{\"msg\":\"${result^^} \([^\"]*\)\".*/\1/p" "$LAB/$1.log" | sort >"$LAB/$1.$result"
	done
	echo "  $1: $(wc -l <"$LAB/$1.passed") passed, $(wc -l <"$LAB/$1.failed") failed, $((SECONDS - began)) s"
	sed 's/^/    failed: /' "$LAB/$1.failed"
	[ -s "$LAB/$1.passed" ] || tail -n 20 "$LAB/$1.log"
}

cluster_start "$BUILD/kubernetes" || exit
for node in "${handlers[@]}"; do
	cluster_node "$node" || exit
done
images || exit
for node in "${handlers[@]}"; do
	[ "$node" != kata ] || kata_is_default kata || exit
done
for node in "${handlers[@]}"; do
	conformance "$node"
done
[ -z "${CLUSTER_KEEP:-}" ] || {
	mkdir -p "$CLUSTER_KEEP"
	cp -a "$LAB"/*.log "$LAB"/report-* "$LAB/log" "$CLUSTER_KEEP/"
}
[ -s "$LAB/${handlers[0]}.passed" ] || exit 1
[ "${handlers[*]}" = "runc kata" ] || exit 0
worse=$(comm -12 "$LAB/runc.passed" "$LAB/kata.failed")
[ -z "$worse" ] || {
	echo "  FAIL: runc passes, kata fails:"
	echo "$worse"
	exit 1
}
echo "  ok    kata passes the $(comm -12 "$LAB/runc.passed" "$LAB/kata.passed" | wc -l) tests that runc passes"
