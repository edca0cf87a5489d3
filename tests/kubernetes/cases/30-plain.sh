# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# An administrator installs on one node with the plain command. The DaemonSet is compared with this.

# Does with a pod what users do, with the cluster's kubectl and with a newer one: NAME [KEY=VALUE of the spec].
pod_serves() {
	local name=$1 client address
	kubectl create configmap "$name" --from-literal=index.html="hello from $name" >/dev/null
	shift
	pod_made "$name" 'echo begun; exec httpd -f -p 8080 -h /www' \
		'volumes=[{"name":"www","configMap":{"name":"'"$name"'"}},{"name":"scratch","emptyDir":{}}]' "$@"
	pod_is "$name" Running
	until_is "readiness of $name" True kubectl get pod "$name" -o \
		'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
	address=$(kubectl get pod "$name" -o 'jsonpath={.status.podIP}')
	expect "HTTP from the control plane's machine" "$(curl -s --max-time 20 "http://$address:8080/")" "hello from $name"
	for client in kubectl kubectl-1.33; do
		client=$CLUSTER_PROGRAMS/$client
		expect "$client logs" "$("$client" logs "$name")" begun
		expect "$client exec" "$(echo given | "$client" exec -i "$name" -- sh -c 'cat; exit 0')" given
		fails_saying "status of $client exec" 7 'exit code 7' "$client" exec "$name" -- sh -c 'exit 7'
		head -c 1000000 /dev/urandom >"$LAB/sent"
		"$client" cp "$LAB/sent" "$name:/scratch/sent" >/dev/null
		"$client" cp "$name:/scratch/sent" "$LAB/back" >/dev/null
		cmp "$LAB/sent" "$LAB/back"
		port_forwarded "$client" "$name"
	done
}

pod_gone() { # NAME...
	kubectl delete pod "$@" --wait >/dev/null
	kubectl delete configmap "$@" --ignore-not-found >/dev/null
}

port_forwarded() { # KUBECTL POD
	local forward port got
	rm -f "$LAB/forward" # or else we would read the output of the previous one
	"$1" port-forward "pod/$2" :8080 >"$LAB/forward" 2>&1 &
	forward=$!
	until_true 60 grep -q 'Forwarding from 127' "$LAB/forward"
	port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$LAB/forward")
	got=$(curl -s --max-time 60 "http://127.0.0.1:$port/" || true)
	kill "$forward"
	expect "HTTP through $1 port-forward" "$got" "hello from $2"
}

test_plain_install_serves_pods() {
	local before took
	before=$(node_digest one)
	timed took node_run one "$BUILD/bin/kata-deploy" install --yes --release "$BUILD/demo/this" \
		--key "$BUILD/demo/this/development.pub" >"$LAB/install.log" 2>&1 || {
		cat "$LAB/install.log"
		return 1
	}
	echo "    install, restart by systemd and proof on a node: $took s"
	echo "$took" >"$LAB/plain.seconds"
	node_ready one
	kubectl label node one katacontainers.io/kata-runtime=true >/dev/null
	kubectl apply -f - >/dev/null <<-EOF
		apiVersion: node.k8s.io/v1
		kind: RuntimeClass
		metadata: { name: kata }
		handler: kata
		overhead: { podFixed: { memory: 160Mi, cpu: 100m } }
		scheduling: { nodeSelector: { katacontainers.io/kata-runtime: "true" } }
	EOF
	pod_serves guest 'runtimeClassName="kata"'
	expect "node" "$(kubectl get pod guest -o 'jsonpath={.spec.nodeName}')" one
	expect "overhead" "$(kubectl get pod guest -o 'jsonpath={.spec.overhead.memory}')" 160Mi
	[ "$(kubectl exec guest -- uname -r)" != "$(uname -r)" ]
	pod_gone guest
	kubectl delete runtimeclass kata >/dev/null
	kubectl label node one katacontainers.io/kata-runtime- >/dev/null
	node_run one "$BUILD/bin/kata-deploy" uninstall --yes --forget-trust >/dev/null
	node_ready one
	diff <(echo "$before") <(node_digest one)
}
