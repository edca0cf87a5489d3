# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A Kubernetes cluster on this machine: a control plane, and nodes with a systemd, a containerd and a
# kubelet each, in namespaces of their own.
#
#   cluster_apart SCRIPT ARG...	call first: runs the script again in such namespaces, unless it already is there;
#				sets LAB; cleans up when the script ends
#   cluster_start PROGRAMS	starts etcd, API server, controllers, scheduler: programs of build.sh
#   cluster_node NAME		makes a node, and waits until it is Ready
#   cluster_nodes		prints the names of all nodes that were made and not removed
#   cluster_image DIR CONFIG NAME...
#				imports an image of these files (lab_layout of containerd.sh) on every node,
#				those that come later too; cluster_image_tar FILE: one that is there
#   node_run NAME COMMAND...	runs a command on the node
#   node_power_off NAME		kills all its processes, node_power_on NAME starts it again
#   node_removed NAME		removes the node from the cluster for good
#   node_digest NAME		prints a digest of everything that the node has written to its disk, except containers
#   kubectl, helm4, helm3	as the cluster's administrator
#   cluster_keys		prints the names of all objects in the cluster except Events
#   cluster_settled		waits until a new cluster has made all objects of its own
#   cluster_says		prints information after a failure; with CLUSTER_KEEP=DIRECTORY keeps the logs there
#   until_true SECONDS COMMAND...	waits until the command succeeds
#   until_is WHAT WANTED COMMAND...	waits until the command prints WANTED
#
# The network: 10.99.0.1 is the machine of the control plane, 10.99.0.11 the first node, 10.88.N.0/24 the
# pods of the Nth. There is no kube-proxy; the API server itself listens at the address of the service
# "kubernetes", 10.96.0.1, so that pods find it as they do anywhere.

# shellcheck source=tests/integration/containerd.sh
. "$(dirname "${BASH_SOURCE[0]}")/../integration/containerd.sh"
# shellcheck source=tests/kubernetes/pki.sh
. "$(dirname "${BASH_SOURCE[0]}")/pki.sh"

CLUSTER_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PAUSE_IMAGE=k8s.gcr.io/pause:3.2
CLUSTER_CONTROLLERS="cpu cpuacct cpuset memory devices freezer blkio pids systemd"

cluster_apart() {
	if [ -n "${CLUSTER_APART:-}" ]; then
		LAB=$CLUSTER_APART
		mount -t tmpfs -o mode=0755 run /run
		mkdir -p /run/lock /run/netns
		ip link set lo up
		trap 'exit 130' INT TERM # PID 1 of a namespace ignores signals without a handler
		return
	fi
	local need child status
	[ "$(id -u)" = 0 ] || {
		echo "skipped: clusters need root"
		exit 0
	}
	for need in etcd containerd runc openssl jq /lib/systemd/systemd; do
		command -v "$need" >/dev/null || {
			echo "skipped: no $need; packaging/deps.sh kubernetes installs it"
			exit 0
		}
	done
	for need in $CLUSTER_CONTROLLERS; do
		mountpoint -q "/sys/fs/cgroup/$need" || {
			echo "skipped: a kubelet of 1.20 is run with control groups of version 1, and $need is not there"
			exit 0
		}
	done
	LAB=$(mktemp -d /tmp/kata-lab-XXXXXX)
	chmod 0711 "$LAB"
	CLUSTER_APART=$LAB unshare --mount --propagation private --net --ipc --pid --fork \
		--kill-child --mount-proc "$@" &
	child=$!
	# shellcheck disable=SC2064
	trap "kill $child; wait $child; cluster_swept; exit 130" INT TERM
	wait $child
	status=$?
	cluster_swept
	exit $status
}

# Removes control groups and files after all processes, and with them mounts and networks, have ended.
cluster_swept() {
	for _ in $(seq 600); do
		find /sys/fs/cgroup -mindepth 2 -depth -type d -path "/sys/fs/cgroup/*/${LAB##*/}*" \
			-exec rmdir {} + 2>/dev/null
		rm -rf "$LAB" 2>/dev/null
		[ -n "$(find /sys/fs/cgroup -mindepth 2 -maxdepth 2 -name "${LAB##*/}")" ] || [ -e "$LAB" ] || return 0
		sleep 0.1
	done
	echo "left behind: $LAB, or its control groups" >&2
}

until_true() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || {
			echo "    never true: $*" >&2
			return 1
		}
		sleep 0.2
	done
}

until_is() { # WHAT WANTED COMMAND...: waits until the command prints that
	local what=$1 wanted=$2 got end=$((SECONDS + ${CLUSTER_PATIENCE:-300}))
	shift 2
	while :; do
		got=$("$@" 2>&1) && [ "$got" = "$wanted" ] && return 0
		[ "$SECONDS" -lt "$end" ] || break
		sleep 0.3
	done
	expect "$what" "$got" "$wanted"
}

# Sets the variable to the seconds that the command takes.
timed() { # VARIABLE COMMAND...
	local began=$EPOCHREALTIME
	"${@:2}" || return
	printf -v "$1" %s "$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')"
}

# --- the control plane ---

cluster_start() { # PROGRAMS
	CLUSTER_PROGRAMS=$(realpath "$1")
	export KUBECONFIG=$LAB/admin.conf HOME=$LAB/home
	# shellcheck disable=SC2034 # Helm's
	export HELM_CACHE_HOME=$LAB/helm HELM_CONFIG_HOME=$LAB/helm HELM_DATA_HOME=$LAB/helm
	mkdir -p "$HOME" "$LAB"/{etcd,log,cgroups}
	local controller
	for controller in $CLUSTER_CONTROLLERS; do
		ln -s "/sys/fs/cgroup/$controller/${LAB##*/}" "$LAB/cgroups/$controller"
		cluster_group "$LAB/cgroups/$controller/"
	done
	ip link add cluster0 type bridge
	ip addr add 10.99.0.1/24 dev cluster0
	ip addr add 10.96.0.1/32 dev lo
	ip link set cluster0 up
	echo 1 >/proc/sys/net/ipv4/ip_forward
	pki_start "$LAB/pki"
	pki_of apiserver /CN=kube-apiserver \
		IP:10.96.0.1,IP:10.99.0.1,IP:127.0.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc
	pki_of kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
	pki_of admin /O=system:masters/CN=admin
	pki_of controller-manager /CN=system:kube-controller-manager
	pki_of scheduler /CN=system:kube-scheduler
	openssl genrsa -out "$LAB/pki/accounts.key" 2048 2>/dev/null
	openssl rsa -in "$LAB/pki/accounts.key" -pubout -out "$LAB/pki/accounts.pub" 2>/dev/null
	cluster_config admin >"$LAB/admin.conf"
	cluster_config controller-manager >"$LAB/controller-manager.conf"
	cluster_config scheduler >"$LAB/scheduler.conf"
	cluster_etcd && cluster_apiserver || return
	cluster_run controller-manager kube-controller-manager --kubeconfig="$LAB/controller-manager.conf" \
		--use-service-account-credentials --service-account-private-key-file="$LAB/pki/accounts.key" \
		--root-ca-file="$LAB/pki/ca.crt" --cluster-signing-cert-file="$LAB/pki/ca.crt" \
		--cluster-signing-key-file="$LAB/pki/ca.key" --bind-address=127.0.0.1 --leader-elect=false \
		--node-monitor-period=2s --node-monitor-grace-period=24s
	cluster_run scheduler kube-scheduler --kubeconfig="$LAB/scheduler.conf" --bind-address=127.0.0.1 \
		--leader-elect=false
	until_true 60 kubectl get serviceaccount default
}

cluster_group() { # FOLDER: makes a control group
	local of
	of=$(realpath -m "$1")
	mkdir -p "$of"
	[ ! -e "$of/cpuset.cpus" ] || {
		cat "$of/../cpuset.cpus" >"$of/cpuset.cpus"
		cat "$of/../cpuset.mems" >"$of/cpuset.mems"
	}
}

cluster_config() { # NAME: prints a kubeconfig with its certificate
	cat <<-EOF
		apiVersion: v1
		kind: Config
		current-context: lab
		clusters:
		- name: lab
		  cluster: { server: "https://10.99.0.1:443", certificate-authority-data: "$(base64 -w0 <"$LAB/pki/ca.crt")" }
		contexts:
		- name: lab
		  context: { cluster: lab, user: "$1" }
		users:
		- name: "$1"
		  user:
		    client-certificate-data: "$(base64 -w0 <"$LAB/pki/$1.crt")"
		    client-key-data: "$(base64 -w0 <"$LAB/pki/$1.key")"
	EOF
}

# Starts a process of the control plane; its pid is in $LAB/NAME.pid, its log in $LAB/log/NAME.
cluster_run() { # NAME PROGRAM ARG...
	local name=$1 program=$2
	shift 2
	[ ! -x "$CLUSTER_PROGRAMS/$program" ] || program=$CLUSTER_PROGRAMS/$program
	"$program" "$@" </dev/null >>"$LAB/log/$name" 2>&1 &
	echo $! >"$LAB/$name.pid"
}

cluster_end() { # NAME [SIGNAL]
	local pid
	pid=$(cat "$LAB/$1.pid" 2>/dev/null) || return 0
	kill "-${2:-TERM}" "$pid" 2>/dev/null
	timeout 60 tail --pid="$pid" -f /dev/null || kill -KILL "$pid"
	rm -f "$LAB/$1.pid"
}

cluster_etcd() {
	cluster_run etcd etcd --name lab --data-dir "$LAB/etcd" \
		--listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
		--listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
		--initial-cluster lab=http://127.0.0.1:2380
}

# Options in CLUSTER_API take precedence.
cluster_apiserver() {
	# shellcheck disable=SC2086
	cluster_run apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
		--bind-address=0.0.0.0 --secure-port=443 --advertise-address=10.99.0.1 \
		--tls-cert-file="$LAB/pki/apiserver.crt" --tls-private-key-file="$LAB/pki/apiserver.key" \
		--client-ca-file="$LAB/pki/ca.crt" --authorization-mode=Node,RBAC \
		--enable-admission-plugins=NodeRestriction --allow-privileged=true \
		--kubelet-client-certificate="$LAB/pki/kubelet-client.crt" \
		--kubelet-client-key="$LAB/pki/kubelet-client.key" \
		--kubelet-preferred-address-types=InternalIP \
		--service-account-key-file="$LAB/pki/accounts.pub" \
		--service-account-signing-key-file="$LAB/pki/accounts.key" \
		--service-account-issuer=https://kubernetes.default.svc --api-audiences=https://kubernetes.default.svc \
		--service-cluster-ip-range=10.96.0.0/16 ${CLUSTER_API:-}
	until_true 120 kubectl get --raw /readyz && return
	tail -n 20 "$LAB/log/apiserver" >&2
	return 1
}

etcd_says() { # WHAT JSON: sends a request to etcd's HTTP gateway
	curl -sS -X POST "http://127.0.0.1:2379/v3/$1" -d "$2"
}

cluster_keys() {
	etcd_says kv/range "$(jq -n '{key: ("/registry/" | @base64), range_end: ("/registry0" | @base64), keys_only: true}')" |
		jq -r '.kvs[].key | @base64d | select(test("^/registry/(events|masterleases)/") | not)' | sort
}

# The accounts of controllers and their tokens, and the CSINodes and Leases of nodes, come later than Ready nodes.
cluster_settled() {
	local before after end=$((SECONDS + 120))
	after=$(cluster_keys)
	while [ "$SECONDS" -lt "$end" ]; do
		before=$after
		sleep 10
		after=$(cluster_keys)
		[ "$before" != "$after" ] || return 0
	done
	echo "    objects still come or go:" >&2
	diff <(echo "$before") <(echo "$after") >&2
	return 1
}

kubectl() { "$CLUSTER_PROGRAMS/kubectl" "$@"; }
helm4() { "$CLUSTER_PROGRAMS/helm4" "$@"; }
helm3() { "$CLUSTER_PROGRAMS/helm3" "$@"; }

# --- nodes ---

cluster_node() { # NAME
	node_made "$1" && node_power_on "$1" && node_ready "$1"
}

node_ready() { # NAME
	until_is "$1 is Ready" True kubectl get node "$1" -o \
		'jsonpath={.status.conditions[?(@.type=="Ready")].status}' && return
	tail -n 15 "$LAB/$1/log/kubelet" >&2
	return 1
}

# Writes the files of a node before its first start.
node_made() { # NAME
	local number files=$LAB/$1/layer/upper controller
	number=$(($(find "$LAB" -mindepth 2 -maxdepth 2 -name number | wc -l) + 1))
	echo "$1" >>"$LAB/nodes"
	mkdir -p "$LAB/$1"/{disk,layer,log}
	mount -t tmpfs -o mode=0755 "$1" "$LAB/$1/layer"
	# /opt too, because a directory in which something was ever created stays in the layer.
	mkdir -p "$LAB/$1"/layer/{work,root} "$files"/opt "$files"/etc/{systemd/system,kubernetes,containerd,cni/lab.d}
	for controller in "$LAB"/cgroups/*; do
		cluster_group "$controller/$1"
	done
	echo "$number" >"$LAB/$1/number"
	pki_of "$1" "/O=system:nodes/CN=system:node:$1"
	cluster_config "$1" >"$files/etc/kubernetes/kubelet.conf"
	cp "$LAB/pki/ca.crt" "$files/etc/kubernetes/ca.crt"
	echo "$1" >"$files/etc/hostname"
	printf '%s%s' "$LAB" "$1" | md5sum | cut -c1-32 >"$files/etc/machine-id"
	node_units >"$files/etc/systemd/system/node.target"
	node_unit containerd "/usr/bin/containerd" notify >"$files/etc/systemd/system/containerd.service"
	node_unit kubelet "/run/programs/kubelet --config /etc/kubernetes/kubelet.yaml --hostname-override $1 \
		--kubeconfig /etc/kubernetes/kubelet.conf --container-runtime=remote --node-ip 10.99.0.$((number + 10)) \
		--container-runtime-endpoint=unix:///run/containerd/containerd.sock" simple \
		>"$files/etc/systemd/system/kubelet.service"
	cat >"$files/etc/kubernetes/kubelet.yaml" <<-EOF
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		authentication:
		  anonymous: { enabled: false }
		  webhook: { enabled: true }
		  x509: { clientCAFile: /etc/kubernetes/ca.crt }
		authorization: { mode: Webhook }
		cgroupDriver: cgroupfs
		clusterDNS: [10.96.0.10]
		clusterDomain: cluster.local
		failSwapOn: false
		evictionHard: { nodefs.available: "1%", imagefs.available: "1%" }
		imageGCHighThresholdPercent: 100
		nodeStatusUpdateFrequency: 4s
		syncFrequency: 10s
		resolvConf: /etc/kubernetes/resolv.conf
	EOF
	: >"$files/etc/kubernetes/resolv.conf"
	cat >"$files/etc/containerd/config.toml" <<-EOF
		# An administrator's configuration, with a comment.
		version = 2

		[plugins."io.containerd.grpc.v1.cri"]
		  restrict_oom_score_adj = true # this node may not lower oom_score_adj
		  sandbox_image = "$PAUSE_IMAGE"
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
		    conf_dir = "/etc/cni/lab.d"
	EOF
	cat >"$files/etc/cni/lab.d/10-lab.conflist" <<-EOF
		{"cniVersion":"0.4.0","name":"lab","plugins":[
		 {"type":"bridge","bridge":"pods0","isGateway":true,"ipMasq":false,
		  "ipam":{"type":"host-local","ranges":[[{"subnet":"10.88.$number.0/24"}]],
		   "routes":[{"dst":"0.0.0.0/0"}]}}]}
	EOF
}

node_units() {
	cat <<-EOF
		[Unit]
		DefaultDependencies=no
		Wants=containerd.service kubelet.service
	EOF
}

node_unit() { # NAME COMMAND TYPE
	cat <<-EOF
		[Unit]
		DefaultDependencies=no
		StartLimitIntervalSec=0
		[Service]
		Type=$3
		ExecStart=$2
		Restart=always
		RestartSec=1
		Delegate=yes
		KillMode=process
		LimitNOFILE=1048576
		TasksMax=infinity
		StandardOutput=append:/var/log/node/$1
		StandardError=inherit
	EOF
}

# Starts a node from its disk. The upper layer of its root directory is part of the disk.
node_power_on() { # NAME
	local name=$1 number pid pidfile=$LAB/$1.pid
	number=$(<"$LAB/$name/number")
	ip netns add "$name"
	ip link add "$name" type veth peer name eth0 netns "$name"
	ip link set "$name" master cluster0 up
	ip -n "$name" addr add "10.99.0.$((number + 10))/24" dev eth0
	ip -n "$name" link set eth0 up
	ip -n "$name" route add default via 10.99.0.1
	ip route replace "10.88.$number.0/24" via "10.99.0.$((number + 10))"
	CLUSTER_KUBELET=$(dirname "$(realpath "$CLUSTER_PROGRAMS/kubelet")") \
		nsenter --net="/run/netns/$name" "$CLUSTER_HERE/node-begin.sh" "$LAB/$name" \
		</dev/null >>"$LAB/$name/log/systemd" 2>&1 &
	# PID 1 of the node is the child of the process that called unshare.
	until_true 60 node_first "$name" $! || {
		tail -n 20 "$LAB/$name/log/systemd" >&2
		return 1
	}
	echo $! >"$pidfile"
	until_true 120 node_run "$name" ctr version || {
		tail -n 20 "$LAB/$name/log/systemd" "$LAB/$name/log/containerd" >&2
		return 1
	}
	local image
	for image in "$LAB"/images/*.tar; do
		[ ! -e "$image" ] || node_import "$name" "$image" || return
	done
}

cluster_nodes() { cat "$LAB/nodes"; }

# The number of a removed node is not used again.
node_removed() { # NAME
	kubectl delete node "$1" --wait >/dev/null
	node_power_off "$1"
	sed -i "/^$1\$/d" "$LAB/nodes"
}

node_first() { # NAME PARENT: records the pid of the node's systemd
	local pid
	pid=$(pgrep -P "$2" -x systemd) || return
	[ -e "/proc/$pid/root/run/systemd/private" ] && echo "$pid" >"$LAB/$1/first"
}

node_run() { # NAME COMMAND...
	local name=$1
	shift
	nsenter -t "$(<"$LAB/$name/first")" --mount --uts --ipc --net --pid --cgroup --root --wd -- "$@"
}

node_power_off() { # NAME
	local parent
	parent=$(<"$LAB/$1.pid")
	kill -KILL "$(<"$LAB/$1/first")"
	timeout 60 tail --pid="$parent" -f /dev/null
	rm -f "$LAB/$1.pid" "$LAB/$1/first"
	ip netns del "$1" 2>/dev/null
	ip link del "$1" 2>/dev/null
	return 0
}

node_import() { # NAME FILE
	node_run "$1" ctr -n k8s.io images import - <"$2" >/dev/null
}

cluster_image() { # DIR CONFIG NAME...
	lab_layout "$@"
	cluster_image_tar "$LAB/image.tar"
}

cluster_image_tar() { # FILE
	local node
	mkdir -p "$LAB/images"
	cp "$1" "$LAB/images/$(find "$LAB/images" -name '*.tar' | wc -l).tar"
	for node in $(cluster_nodes); do
		node_import "$node" "$1" || return
	done
}

# Prints information after a failure that would otherwise be lost, since everything is removed.
cluster_says() {
	local node
	kubectl get nodes,pods -A -o wide 2>&1 | sed 's/^/    /'
	kubectl get events -A --sort-by=.lastTimestamp 2>&1 | tail -n 15 | cut -c1-300 | sed 's/^/    /'
	kubectl get events -A -o json | jq -r '.items[] | select(.reason == "Failed") | "\(.eventTime) \(.involvedObject.name) \(.message)"' |
		cut -c1-600 | sed 's/^/    /'
	for node in $(cluster_nodes); do
		tail -n 5 "$LAB/$node/log/kubelet" | cut -c1-300 | sed "s/^/    kubelet $node: /"
	done
	[ -z "${CLUSTER_KEEP:-}" ] || {
		rm -rf "$CLUSTER_KEEP"
		mkdir -p "$CLUSTER_KEEP"
		cp -a "$LAB"/log "$CLUSTER_KEEP/"
		for node in $(cluster_nodes); do
			cp -a "$LAB/$node/log" "$CLUSTER_KEEP/$node"
			cp -a "$LAB/$node/layer/upper/var/log/pods" "$CLUSTER_KEEP/$node/"
		done
	}
}

# Covers names, modes, owners, contents and links of the files that the node has written.
node_digest() { # NAME
	(cd "$LAB/$1/layer/upper" && find . -path ./var -prune -o -path ./tmp -prune -o -printf '%p %y %m %u %g %l\n' | sort &&
		find . -path ./var -prune -o -type f -print0 | sort -z | xargs -0r sha256sum)
}
