# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Pod networks that real CNI plugins set up.

TALK=',"mounts":[{"host_path":"TOOLS/talk","container_path":"/talk","readonly":true}]'

talker() { # POD NAME SCRIPT: starts a container that has the program talk
	started "$1" "$2" "$3" "${TALK/TOOLS/$(realpath "$TOOLS")}"
}

talk() { "$TOOLS/talk" "$@"; } # on the node

# net_with PLUGINS: pods get a network with these plugins until the test ends
net_with() {
	trap net_back EXIT
	echo "{\"cniVersion\":\"0.4.0\",\"name\":\"other\",\"plugins\":[$1]}" >"$LAB/cni/05-other.conflist"
	lab_stop_containerd
	cri_containerd
}

net_back() {
	local link
	cri_clear
	rm -rf "$LAB/cni/05-other.conflist" "$LAB/ipam/other"
	for link in cri1 node0; do
		ip link del "$link" 2>/dev/null || true
	done
	lab_stop_containerd
	cri_containerd
}

# net_reached WHO COMMAND...: waits until the command succeeds
net_reached() {
	for _ in $(seq 300); do
		"${@:2}" >/dev/null 2>&1 && return 0
		sleep 0.2
	done
	echo "    $1 reaches nothing: $("${@:2}" 2>&1)" >&2
	return 1
}

# net_works WHO ADDRESS TALK-COMMAND...: tests connections, 200 connections at once, and datagrams
net_works() { # WHO ADDRESS COMMAND...
	local who=$1 address=$2
	shift 2
	net_reached "$who" "$@" rtt "$address" 7000 1
	expect "connections of $who" "$("$@" tcp "$address" 7000 2000 200)" 200
	expect "datagrams of $who" "$("$@" udp "$address" 7000 1400 50)" 50
}

test_network_connects_pods_and_node() {
	local one two a b address digest servers
	head -c 67108864 /dev/urandom >"$LAB/64m"
	digest=$(sha256sum <"$LAB/64m")
	one=$(pod one) two=$(pod two)
	address=$(of_pod "$one" network.ip)
	a=$(talker "$one" a 'mkdir /srv; /talk serve 0.0.0.0 7000 & exec httpd -f -p 80 -h /srv')
	b=$(talker "$two" b 'sleep 1000')
	net_works "a pod" "$address" in_container "$b" /talk
	net_works "the node" "$address" talk
	"$TOOLS/talk" serve 10.88.0.1 7000 &
	servers=$!
	# shellcheck disable=SC2064
	trap "kill $servers" EXIT
	net_works "a pod, of the node" 10.88.0.1 in_container "$a" /talk
	lab_web "$LAB" 7080 10.88.0.1
	# shellcheck disable=SC2064
	trap "kill $servers $WEB" EXIT
	expect "64 MiB from the node" \
		"$(in_container "$b" sh -c 'wget -qO - http://10.88.0.1:7080/64m | sha256sum')" "$digest"
	in_container "$a" sh -c 'wget -qO /srv/64m http://10.88.0.1:7080/64m'
	expect "64 MiB from pod to pod" \
		"$(in_container "$b" sh -c "wget -qO - http://$address/64m | sha256sum")" "$digest"
	expect "64 MiB to the node" "$(busybox wget -qO - "http://$address/64m" | sha256sum)" "$digest"
	rm "$LAB/64m"
	pod_gone "$one"
	pod_gone "$two"
}

# hostPort, which the portmap plugin implements.
test_network_has_ports_of_the_node() {
	local one two b
	one=$(pod one ',"port_mappings":[{"protocol":"TCP","container_port":7000,"host_port":7900},
		{"protocol":"UDP","container_port":7000,"host_port":7900}]')
	two=$(pod two)
	talker "$one" a '/talk serve 0.0.0.0 7000' >/dev/null
	b=$(talker "$two" b 'sleep 1000')
	net_reached "the node" talk rtt 10.88.0.1 7900 1
	expect "connections of the node" "$(talk tcp 10.88.0.1 7900 2000 20)" 20
	expect "datagrams of the node" "$(talk udp 10.88.0.1 7900 1000 5)" 5
	expect "connections of a pod" "$(in_container "$b" /talk tcp 10.88.0.1 7900 2000 20)" 20
	pod_gone "$one"
	if talk tcp 10.88.0.1 7900 1 1 2>/dev/null; then return 1; fi
	pod_gone "$two"
}

# IPv4 and IPv6, and frames of 9000 bytes.
test_network_of_two_families() {
	local one two a b
	net_with '{"type":"bridge","bridge":"cri1","isGateway":true,"mtu":9000,"ipam":{"type":"host-local",
		"dataDir":"'"$LAB"'/ipam","routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}],
		"ranges":[[{"subnet":"10.89.0.0/24"}],[{"subnet":"fd00:89::/64"}]]}}'
	one=$(pod one) two=$(pod two)
	expect "the addresses" "$(of_pod "$one" network.ip) $(of_pod "$one" network.additional_ips.0.ip)" \
		'10.89.0.2 fd00:89::2'
	a=$(talker "$one" a '/talk serve :: 7000')
	b=$(talker "$two" b 'sleep 1000')
	net_works "a pod" 10.89.0.2 in_container "$b" /talk
	net_works "a pod over IPv6" fd00:89::2 in_container "$b" /talk
	# Until it is known to be unique the bridge's link-local address would be the source, and answers to a
	# link-local address come from one.
	until_is "addresses of the node that are not usable yet" '' ip -6 addr show dev cri1 tentative
	net_works "the node over IPv6" fd00:89::2 talk
	expect MTU "$(in_container "$a" cat /sys/class/net/eth0/mtu)" 9000
	expect "large frames" "$(in_container "$b" /talk udp 10.89.0.2 7000 8972 20)" 20
	expect "large frames over IPv6" "$(in_container "$b" /talk udp fd00:89::2 7000 8952 20)" 20
	# shellcheck disable=SC2016 # awk's
	expect "frames that were cut" "$(in_container "$b" awk '/^Ip: [0-9]/ { print $18 }' /proc/net/snmp)" 0
	has "the way out" "$(in_container "$b" ip -6 route)" 'default via fd00:89::1 dev eth0'
	pod_gone "$one"
	pod_gone "$two"
}

test_network_of_macvlan() {
	local one two b
	ip link add node0 type veth peer name node1
	ip addr add 10.89.1.1/24 dev node1
	ip link set node0 up
	ip link set node1 up
	net_with '{"type":"macvlan","master":"node0","mode":"bridge","ipam":{"type":"host-local",
		"dataDir":"'"$LAB"'/ipam","routes":[{"dst":"0.0.0.0/0"}],
		"ranges":[[{"subnet":"10.89.1.0/24","rangeStart":"10.89.1.5"}]]}}'
	one=$(pod one) two=$(pod two)
	talker "$one" a '/talk serve 0.0.0.0 7000' >/dev/null
	b=$(talker "$two" b 'sleep 1000')
	net_works "a pod" "$(of_pod "$one" network.ip)" in_container "$b" /talk
	net_works "the node" "$(of_pod "$one" network.ip)" talk
	pod_gone "$one"
	pod_gone "$two"
}

# Like Multus, the last plugin of the chain adds a second interface on a bridge of its own.
test_network_of_two_interfaces() {
	local pod a
	cat >"$LAB/plugins/second" <<-'EOF'
		#!/bin/sh -e
		read -r conf || true
		result=$(echo "$conf" | sed 's/.*"prevResult":\(.*\),"type":"second".*/\1/')
		case $CNI_COMMAND in
		ADD)
			ip link add cri1 type bridge
			ip addr add 10.89.2.1/24 dev cri1
			ip link set cri1 up
			ip link add node0 type veth peer name second
			ip link set node0 master cri1 up
			ip link set second netns "${CNI_NETNS##*/}"
			ip -n "${CNI_NETNS##*/}" link set second name net1
			ip -n "${CNI_NETNS##*/}" addr add 10.89.2.2/24 dev net1
			ip -n "${CNI_NETNS##*/}" link set net1 up
			ip -n "${CNI_NETNS##*/}" route add 10.91.0.0/16 via 10.89.2.1
			echo "$result" ;;
		DEL)
			ip link del cri1 2>/dev/null || true ;;
		VERSION)
			echo '{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0"]}' ;;
		esac
	EOF
	chmod 755 "$LAB/plugins/second"
	net_with '{"type":"bridge","bridge":"cri0","isGateway":true,"ipam":{"type":"host-local",
		"dataDir":"'"$LAB"'/ipam","ranges":[[{"subnet":"10.88.0.0/16"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
		{"type":"second"}'
	pod=$(pod two)
	a=$(talker "$pod" a '/talk serve 0.0.0.0 7000')
	has "the first" "$(in_container "$a" ip -4 -o addr show eth0)" "$(of_pod "$pod" network.ip)/"
	has "the second" "$(in_container "$a" ip -4 -o addr show net1)" '10.89.2.2/24'
	has "its route" "$(in_container "$a" ip route)" '10.91.0.0/16 via 10.89.2.1 dev net1'
	net_works "the node" "$(of_pod "$pod" network.ip)" talk
	net_works "the node, by the second" 10.89.2.2 talk
	pod_gone "$pod"
	rm "$LAB/plugins/second"
}

# /etc/hosts is a file of the kubelet.
test_network_knows_names() {
	local pod a
	printf '127.0.0.1\tlocalhost\n10.88.0.1\tnode.tests.local node\n' >"$LAB/hosts"
	pod=$(pod names)
	a=$(started "$pod" a 'sleep 1000' ',"mounts":[{"host_path":"'"$LAB"'/hosts","container_path":"/etc/hosts"}]')
	has "the node by its name" "$(in_container "$a" ping -c 1 -W 20 node)" '10.88.0.1'
	pod_gone "$pod"
	rm "$LAB/hosts"
}

bytes_of() { # POD rx|tx
	cri --field "stats.linux.network.default_interface.$2_bytes.value" PodSandboxStats \
		"{\"pod_sandbox_id\":\"$1\"}"
}

# From the pod's point of view. containerd requires the pod's control group, which a kubelet would create.
test_network_is_counted() {
	local pod a rx tx controller
	for controller in /sys/fs/cgroup/*/; do
		mkdir -p "$controller$PARENT/pod-counted"
	done
	pod=$(pod counted)
	a=$(talker "$pod" a '/talk serve 0.0.0.0 7000')
	net_reached "the node" talk rtt "$(of_pod "$pod" network.ip)" 7000 1
	rx=$(bytes_of "$pod" rx) tx=$(bytes_of "$pod" tx)
	talk send "$(of_pod "$pod" network.ip)" 7000 8 >/dev/null
	rx=$(($(bytes_of "$pod" rx) - rx)) tx=$(($(bytes_of "$pod" tx) - tx))
	[ "$rx" -ge 8388608 ]
	[ "$rx" -lt 12000000 ]
	[ "$tx" -lt 4000000 ]
	"$TOOLS/talk" serve 10.88.0.1 7000 &
	# shellcheck disable=SC2064
	trap "kill $!" EXIT
	rx=$(bytes_of "$pod" rx) tx=$(bytes_of "$pod" tx)
	net_reached "the pod" in_container "$a" /talk rtt 10.88.0.1 7000 1
	in_container "$a" /talk send 10.88.0.1 7000 8 >/dev/null
	rx=$(($(bytes_of "$pod" rx) - rx)) tx=$(($(bytes_of "$pod" tx) - tx))
	[ "$tx" -ge 8388608 ]
	[ "$tx" -lt 12000000 ]
	[ "$rx" -lt 4000000 ]
	pod_gone "$pod"
}
