# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The network of a pod's VM. The tests set up a network namespace like a network plugin; the guest must get the same
# interfaces, and the namespace must be left as it was.

# Prints a name for a namespace or a link of the node: specific to this run, and short enough for a link.
net_name() { echo "lab$1$((BASHPID % 100000))"; }

# net_make NETNS LINK SUBNET: makes a namespace whose eth0 has host 2 of SUBNET ("10.88.1") and of a corresponding IPv6
# subnet; its other end is LINK on the node, with host 1.
net_make() {
	[ -e "/run/netns/$1" ] || ip netns add "$1"
	ip link add "$2" type veth peer name eth0 netns "$1"
	ip addr add "$3.1/24" dev "$2"
	ip addr add "fd00:${3//./:}::1/64" dev "$2" nodad
	ip link set "$2" up
	ip -n "$1" addr add "$3.2/24" dev eth0
	ip -n "$1" addr add "fd00:${3//./:}::2/64" dev eth0 nodad
	ip -n "$1" link set lo up
	ip -n "$1" link set eth0 up
	ip -n "$1" route add default via "$3.1"
	ip -n "$1" -6 route add default via "fd00:${3//./:}::1"
}

# Removes namespaces at the end of a test, even after a failure.
net_gone() { # NETNS...
	local ns
	for ns in "$@"; do
		ip netns del "$ns" 2>/dev/null || true
	done
}

NET_CAPS='"CAP_NET_RAW","CAP_NET_BIND_SERVICE"'

# net_start ID NETNS ARGS-JSON: starts a pod in that namespace; NOTES are additional annotations (JSON)
net_start() {
	pod_spec "$LAB/$1.json" "$1" "$3"
	# Ports below 1024, and raw sockets for ping.
	sed -i "s|\"cwd\":|\"capabilities\":{\"bounding\":[$NET_CAPS],\"effective\":[$NET_CAPS],\"permitted\":[$NET_CAPS]},&|
		s|\"annotations\":{|&${NOTES:-}${NOTES:+,}|
		s|{\"type\":\"network\"}|{\"type\":\"network\",\"path\":\"/run/netns/$2\"}|" "$LAB/$1.json"
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --runtime "$RUNTIME" \
		--config "$LAB/$1.json" "$1"
}

# Prints the links of the runtime in a namespace.
net_left() { # NETNS
	ip -n "$1" -o link | grep -o '[a-z0-9]*_kata' || true
	tc -n "$1" qdisc | grep ingress || true
}

test_a_pod_has_the_interface_of_its_namespace() {
	local pod ns link mac addr route
	pod=$(lab_id) ns=$(net_name n) link=$(net_name v)
	# shellcheck disable=SC2064
	trap "net_gone $ns" EXIT
	net_make "$ns" "$link" 10.88.1
	ip link set "$link" mtu 1400
	ip -n "$ns" link set eth0 mtu 1400
	ip -n "$ns" route add 10.99.0.0/16 via 10.88.1.7
	ip -n "$ns" neigh add 10.88.1.7 lladdr 02:00:00:00:00:07 dev eth0 nud permanent
	mac=$(ip -n "$ns" -o link show eth0 | sed 's/.*link.ether \([^ ]*\).*/\1/')
	net_start "$pod" "$ns" '["sleep","1000"]'
	addr=$(pod_in "$pod" ip addr show eth0)
	has "the address" "$addr" "inet 10.88.1.2/24"
	has "the other address" "$addr" "inet6 fd00:10:88:1::2/64"
	has "the MTU" "$addr" "mtu 1400"
	has "the MAC address" "$addr" "link/ether $mac"
	route=$(pod_in "$pod" ip route)
	has "the default route" "$route" "default via 10.88.1.1 dev eth0"
	has "a route" "$route" "10.99.0.0/16 via 10.88.1.7 dev eth0"
	has "the IPv6 route" "$(pod_in "$pod" ip -6 route)" "default via fd00:10:88:1::1 dev eth0"
	has "the neighbour" "$(pod_in "$pod" ip neigh)" "10.88.1.7 dev eth0 lladdr 02:00:00:00:00:07"
	expect "the tap and the wire" "$(net_left "$ns" | grep -c .)" 3
	removed "$pod"
	expect "left in the namespace" "$(net_left "$ns")" ""
	ip -n "$ns" addr show eth0 | grep -q "inet 10.88.1.2/24"
	lab_gone
}

# net_reaches [-6] ADDRESS: waits until the address answers a ping
net_reaches() {
	for _ in $(seq 60); do
		busybox ping -c 1 -W 1 "$@" >/dev/null 2>&1 && return 0
	done
	echo "    no answer from $*" >&2
	return 1
}

# net_serves POD: waits until the pod's web server listens, which is later than its answer to a ping
net_serves() {
	# shellcheck disable=SC2016 # the guest's shell expands it
	pod_in "$1" sh -c 'for i in $(seq 300); do
		grep -q ":0050 .* 0A " /proc/net/tcp /proc/net/tcp6 && exit 0
		usleep 100000
	done
	echo "nothing listens at port 80" >&2
	exit 1'
}

test_node_and_pod_reach_each_other() {
	local pod ns link
	pod=$(lab_id) ns=$(net_name n) link=$(net_name v)
	# shellcheck disable=SC2064
	trap "net_gone $ns" EXIT
	net_make "$ns" "$link" 10.88.2
	head -c 67108864 /dev/urandom >"$LAB/image/tmp/64m"
	net_start "$pod" "$ns" '["httpd","-f","-p","80","-h","/tmp"]'
	net_serves "$pod"
	net_reaches 10.88.2.2
	net_reaches -6 fd00:10:88:2::2
	pod_in "$pod" ping -c 2 -W 10 10.88.2.1 >/dev/null
	pod_in "$pod" ping -c 2 -W 10 fd00:10:88:2::1 >/dev/null
	expect "64 MiB from the pod" "$(busybox wget -qO - http://10.88.2.2/64m | sha256sum)" \
		"$(sha256sum <"$LAB/image/tmp/64m")"
	expect "over IPv6" "$(busybox wget -qO - "http://[fd00:10:88:2::2]/64m" | sha256sum)" \
		"$(sha256sum <"$LAB/image/tmp/64m")"
	lab_web "$LAB/image/tmp" 8080 10.88.2.1
	# shellcheck disable=SC2064
	trap "kill $WEB 2>/dev/null; net_gone $ns" EXIT
	expect "64 MiB from the node" "$(pod_in "$pod" sh -c 'wget -qO - http://10.88.2.1:8080/64m | sha256sum')" \
		"$(sha256sum <"$LAB/image/tmp/64m")"
	rm "$LAB/image/tmp/64m"
	removed "$pod"
	expect "left in the namespace" "$(net_left "$ns")" ""
	lab_gone
}

test_pods_talk_through_a_bridge() {
	local one two bridge
	one=$(lab_id) two=$(lab_id) bridge=$(net_name b)
	local -a ns=("$(net_name m)" "$(net_name n)") end=("$(net_name v)" "$(net_name w)")
	# shellcheck disable=SC2064
	trap "net_gone ${ns[*]}; ip link del $bridge" EXIT
	ip link add "$bridge" mtu 9000 type bridge
	ip link set "$bridge" up
	for i in 0 1; do
		net_make "${ns[i]}" "${end[i]}" 10.88.3
		ip addr flush dev "${end[i]}"
		ip link set "${end[i]}" mtu 9000 master "$bridge"
		ip -n "${ns[i]}" link set eth0 mtu 9000
	done
	ip -n "${ns[1]}" addr del 10.88.3.2/24 dev eth0
	ip -n "${ns[1]}" addr add 10.88.3.3/24 dev eth0
	net_start "$one" "${ns[0]}" '["httpd","-f","-p","80","-h","/etc"]'
	net_start "$two" "${ns[1]}" '["sleep","1000"]'
	net_serves "$one"
	expect "the one's file" "$(pod_in "$two" wget -qO - http://10.88.3.2/passwd)" \
		"$(cat "$LAB/image/etc/passwd")"
	# In one frame: the size is the link's MTU less the headers.
	pod_in "$two" ping -c 2 -W 10 -s 8972 10.88.3.2 >"$LAB/ping"
	grep -q "8980 bytes from 10.88.3.2" "$LAB/ping"
	expect "frames as large as the link's" "$(pod_in "$two" cat /sys/class/net/eth0/mtu)" 9000
	removed "$one"
	removed "$two"
	lab_gone
}

# The guest's kernel finds the interfaces in the reverse order.
test_two_interfaces_keep_their_names() {
	local pod ns link more
	pod=$(lab_id) ns=$(net_name n) link=$(net_name v) more=$(net_name w)
	# shellcheck disable=SC2064
	trap "net_gone $ns" EXIT
	ip netns add "$ns"
	ip link add "$more" type veth peer name eth1 netns "$ns"
	ip addr add 10.89.4.1/24 dev "$more"
	ip link set "$more" up
	ip -n "$ns" addr add 10.89.4.2/24 dev eth1
	ip -n "$ns" link set eth1 up
	ip -n "$ns" route add default via 10.89.4.1 metric 50
	net_make "$ns" "$link" 10.88.4
	# An interface without an address is not passed to the guest.
	ip -n "$ns" link add idle type veth peer name idle2
	net_start "$pod" "$ns" '["sleep","1000"]'
	has "the first" "$(pod_in "$pod" ip addr show eth0)" "inet 10.88.4.2/24"
	has "the second" "$(pod_in "$pod" ip addr show eth1)" "inet 10.89.4.2/24"
	expect "two ways out" "$(pod_in "$pod" ip route | grep ^default | tr -s ' ' | sed 's/ $//')" "default via 10.88.4.1 dev eth0
default via 10.89.4.1 dev eth1 metric 50"
	pod_in "$pod" ping -c 1 -W 10 10.89.4.1 >/dev/null
	pod_in "$pod" ping -c 1 -W 10 10.88.4.1 >/dev/null
	expect "the one without an address" "$(pod_in "$pod" ls /sys/class/net | grep -c idle)" 0
	expect "taps and wires" "$(net_left "$ns" | grep -c .)" 6
	removed "$pod"
	expect "left in the namespace" "$(net_left "$ns")" ""
	lab_gone
}

test_a_dead_shim_leaves_the_namespace_as_it_was() {
	local pod ns link
	pod=$(lab_id) ns=$(net_name n) link=$(net_name v)
	# shellcheck disable=SC2064
	trap "net_gone $ns" EXIT
	net_make "$ns" "$link" 10.88.5
	net_start "$pod" "$ns" '["sleep","1000"]'
	expect "the tap and the wire" "$(net_left "$ns" | grep -c .)" 3
	kill -KILL "$(pgrep -of "containerd-shim-kata-v2.* -id $pod")"
	for _ in $(seq 600); do
		[ -n "$(net_left "$ns")" ] || break
		sleep 0.1
	done
	expect "left in the namespace" "$(net_left "$ns")" ""
	removed "$pod"
	# The namespace can be used for another pod.
	pod=$(lab_id)
	net_start "$pod" "$ns" '["sleep","1000"]'
	net_reaches 10.88.5.2
	removed "$pod"
	lab_gone
}

# Kills the shim while the VM boots: the record was written before the namespace was changed.
test_a_shim_that_dies_in_create_leaves_the_namespace_as_it_was() {
	local pod ns link client
	pod=$(lab_id) ns=$(net_name n) link=$(net_name v)
	# shellcheck disable=SC2064
	trap "net_gone $ns" EXIT
	net_make "$ns" "$link" 10.88.10
	net_start "$pod" "$ns" '["sleep","1000"]' 2>/dev/null &
	client=$!
	for _ in $(seq 2000); do
		[ -z "$(net_left "$ns")" ] || break
		sleep 0.01
	done
	kill -KILL "$(pgrep -of "containerd-shim-kata-v2.* -id $pod")"
	wait "$client" || true
	for _ in $(seq 600); do
		[ -n "$(net_left "$ns")" ] || break
		sleep 0.1
	done
	expect "left in the namespace" "$(net_left "$ns")" ""
	removed "$pod"
	lab_gone
}

test_an_interface_that_cannot_be_given_is_named() {
	local ns link pod
	ns=$(net_name n) link=$(net_name v) pod=$(lab_id)
	# shellcheck disable=SC2064
	trap "net_gone $ns" EXIT
	net_make "$ns" "$link" 10.88.6
	ip -n "$ns" link add wrong type bridge
	ip -n "$ns" addr add 10.90.6.2/24 dev wrong
	if net_start "$(lab_id)" "$ns" '["true"]' 2>"$LAB/err"; then return 1; fi
	grep -q "interface wrong: a device of kind 'bridge'" "$LAB/err"
	ip -n "$ns" link del wrong
	# A namespace that is already in use by a VM.
	net_start "$pod" "$ns" '["sleep","1000"]'
	if net_start "$(lab_id)" "$ns" '["true"]' 2>"$LAB/err"; then return 1; fi
	grep -q "interface eth0 has an ingress qdisc" "$LAB/err"
	net_reaches 10.88.6.2
	removed "$pod"
	expect "left in the namespace" "$(net_left "$ns")" ""
	if net_start "$(lab_id)" "no-such-namespace" '["true"]' 2>"$LAB/err"; then return 1; fi
	grep -q "network namespace /run/netns/no-such-namespace" "$LAB/err"
	lab_gone
}

# cni PLUGIN VERB NETNS: calls a network plugin as containerd's CRI plugin does
cni() {
	CNI_COMMAND=$2 CNI_CONTAINERID=$3 CNI_NETNS=/run/netns/$3 CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni \
		"/usr/lib/cni/$1" <"$LAB/cni.json"
}

# cni_pods PLUGIN MEMBERS SUBNET ONE TWO: two pods in namespaces that the plugin has set up, one of which serves /etc over
# HTTP, communicate with each other and with the node
cni_pods() {
	local plugin=$1 subnet=$3 one=$4 two=$5 name forward4 forward6
	local -a ns=("$(net_name m)" "$(net_name n)")
	name=$(net_name b)
	forward4=$(cat /proc/sys/net/ipv4/ip_forward) forward6=$(cat /proc/sys/net/ipv6/conf/all/forwarding)
	# shellcheck disable=SC2064
	trap "cni $plugin DEL ${ns[0]}; cni $plugin DEL ${ns[1]}; net_gone ${ns[*]}
		ip link del $name 2>/dev/null || true
		echo $forward4 >/proc/sys/net/ipv4/ip_forward
		echo $forward6 >/proc/sys/net/ipv6/conf/all/forwarding" EXIT
	cat >"$LAB/cni.json" <<-EOF
		{"cniVersion":"0.4.0","name":"$name","type":"$plugin","mtu":1450,${2//NAME/$name}
		 "ipam":{"type":"host-local","dataDir":"$LAB/ipam","routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}],
		  "ranges":[[{"subnet":"$subnet.0/24"}],[{"subnet":"fd00:${subnet//./:}::/64"}]]}}
	EOF
	for i in 0 1; do
		ip netns add "${ns[i]}"
		ip -n "${ns[i]}" link set lo up
		cni "$plugin" ADD "${ns[i]}" >"$LAB/cni.out"
	done
	net_start "$one" "${ns[0]}" '["httpd","-f","-p","80","-h","/etc"]'
	net_start "$two" "${ns[1]}" '["sleep","1000"]'
	has "the first address" "$(pod_in "$one" ip addr show eth0)" "inet $subnet.2/24"
	has "the MTU" "$(pod_in "$one" ip addr show eth0)" "mtu 1450"
	has "the way out" "$(pod_in "$two" ip route)" "default via $subnet.1 dev eth0"
	net_serves "$one"
	expect "from pod to pod" "$(pod_in "$two" wget -qO - "http://$subnet.2/passwd")" \
		"$(cat "$LAB/image/etc/passwd")"
	expect "over IPv6" "$(pod_in "$two" wget -qO - "http://[fd00:${subnet//./:}::2]/passwd")" \
		"$(cat "$LAB/image/etc/passwd")"
	expect "from the node" "$(busybox wget -qO - "http://$subnet.2/passwd")" "$(cat "$LAB/image/etc/passwd")"
	removed "$one"
	removed "$two"
	expect "left in the first" "$(net_left "${ns[0]}")" ""
	expect "left in the second" "$(net_left "${ns[1]}")" ""
	lab_gone
}

# Uses the plugins of the package containernetworking-plugins, if it is installed.
test_the_bridge_plugin_connects_pods() {
	[ -x /usr/lib/cni/bridge ] || return 0
	cni_pods bridge '"bridge":"NAME","isGateway":true,' 10.88.7 "$(lab_id)" "$(lab_id)"
}

# With ptp the route to the pod's own subnet leads through the node, and not to the link as the kernel would add it.
test_the_ptp_plugin_connects_pods() {
	[ -x /usr/lib/cni/ptp ] || return 0
	cni_pods ptp '' 10.88.9 "$(lab_id)" "$(lab_id)"
}

# Like Docker: no namespace is given, and a hook finds the new namespace by the pid in its state.
test_a_hook_makes_the_network() {
	local id link
	id=$(lab_id) link=$(net_name v)
	# shellcheck disable=SC2064
	trap "ip link del $link 2>/dev/null || true" EXIT
	cat >"$LAB/hook-net" <<-EOF
		#!/bin/sh -e
		pid=\$(sed 's/.*"pid" *: *\([0-9]*\).*/\1/')
		ip link add $link type veth peer name eth0 netns \$pid
		ip addr add 10.88.8.1/24 dev $link
		ip link set $link up
		nsenter --net=/proc/\$pid/ns/net ip addr add 10.88.8.2/24 dev eth0
		nsenter --net=/proc/\$pid/ns/net ip link set eth0 up
	EOF
	chmod 755 "$LAB/hook-net"
	lab_spec "$LAB/hooked.json" '["sleep","1000"]' ",\"hooks\":{\"prestart\":[{\"path\":\"$LAB/hook-net\",
		\"env\":[\"PATH=$PATH\"]}]}"
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --runtime "$RUNTIME" \
		--config "$LAB/hooked.json" "$id"
	has "the guest's interface" "$(pod_in "$id" ip addr show eth0)" "inet 10.88.8.2/24"
	net_reaches 10.88.8.2
	expect "who stood for the container" "$(pgrep -fc "containerd-shim-kata-v2.* -id $id")" 1
	removed "$id"
	for _ in $(seq 600); do # the kernel removes a namespace asynchronously
		ip -o link show "$link" >/dev/null 2>&1 || break
		sleep 0.1
	done
	expect "the node's end" "$(ip -o link show "$link" 2>/dev/null)" ""
	lab_gone
}

test_a_vmm_is_never_in_the_network_of_the_host() {
	local id vmm
	id=$(lab_id)
	detached "$id" sleep 1000
	vmm=$(pgrep -f "^[^ ]*qemu-system.*sandbox-$id@")
	if [ "$(readlink "/proc/$vmm/ns/net")" = "$(readlink /proc/self/ns/net)" ]; then return 1; fi
	expect "what is there" "$(nsenter --net="/proc/$vmm/ns/net" ip -o link | grep -c .)" 1
	removed "$id"
	lab_gone
}
