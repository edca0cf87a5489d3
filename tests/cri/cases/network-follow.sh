# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Changes in the network namespace of a running pod: a process sees them at once, a VM must be updated.

# follow_add NAME N [MAC]: adds the interface NAME with 10.89.N.2 to the only pod; the node's end NAME-n has 10.89.N.1
follow_add() {
	local ns
	ns=$(ls /run/netns)
	ip link add "$1-n" type veth peer name "$1" netns "$ns" ${3:+address "$3"}
	ip addr add "10.89.$2.1/24" dev "$1-n"
	ip link set "$1-n" up
	ip -n "$ns" addr add "10.89.$2.2/24" dev "$1"
	ip -n "$ns" link set "$1" up
}

interfaces_of() { # CONTAINER: prints its interfaces that have an address
	in_container "$1" ip -4 -o addr | awk '$2 != "lo" { print $2 "=" $4 }' | sort | tr '\n' ' '
}

links_like() { ip -n "$ns" -o link | grep "$1" || true; } # PATTERN

test_network_follows_its_namespace() {
	local pod a ns address
	pod=$(pod follows)
	address=$(of_pod "$pod" network.ip)
	a=$(talker "$pod" a '/talk serve :: 7000')
	ns=$(ls /run/netns)
	net_reached "the node" talk rtt "$address" 7000 1
	# Traffic over the first interface must not be disturbed by changes of the others.
	(while [ ! -e "$LAB/enough" ]; do talk rtt "$address" 7000 50 || touch "$LAB/broken"; done) >/dev/null &
	follow_add net1 3
	until_is "one that has come" "eth0=$address/16 net1=10.89.3.2/24 " interfaces_of "$a"
	net_works "the node, by it" 10.89.3.2 talk
	# Changes of addresses, MTU, routes and neighbours.
	ip -n "$ns" addr add 10.89.4.2/24 dev net1
	ip -n "$ns" link set net1 mtu 1400
	ip -n "$ns" route add 10.91.0.0/16 via 10.89.3.1
	ip -n "$ns" neigh add 10.89.3.9 lladdr 02:00:00:00:00:09 dev net1 nud permanent
	until_is "another address" "eth0=$address/16 net1=10.89.3.2/24 net1=10.89.4.2/24 " interfaces_of "$a"
	until_is MTU 1400 in_container "$a" cat /sys/class/net/net1/mtu
	until_is "its route" "10.91.0.0/16 via 10.89.3.1 dev net1 " in_container "$a" ip route show 10.91.0.0/16
	until_is "its neighbour" 1 in_container "$a" sh -c \
		'ip neigh | grep -c "10.89.3.9 dev net1 lladdr 02:00:00:00:00:09.*PERMANENT"'
	ip -n "$ns" route del 10.91.0.0/16
	until_is "the route that has gone" "" in_container "$a" ip route show 10.91.0.0/16
	has "the first one's" "$(in_container "$a" ip route)" 'default via 10.88.0.1 dev eth0'
	# The interface is removed and added again.
	ip link del net1-n
	until_is "one that has gone" "eth0=$address/16 " interfaces_of "$a"
	fails 1 in_container "$a" test -e /sys/class/net/net1 >/dev/null
	until_is "what is left of it" "" links_like 'net1\|tap1' # its tap goes once the guest has given the card back
	follow_add net1 3
	until_is "one that has come again" "eth0=$address/16 net1=10.89.3.2/24 " interfaces_of "$a"
	net_works "the node, by it" 10.89.3.2 talk
	touch "$LAB/enough"
	wait
	[ ! -e "$LAB/broken" ]
	rm "$LAB/enough"
	pod_gone "$pod"
}

# Several interfaces at once; one that a VM cannot have; and a flood of events.
test_network_namespace_is_busy() {
	local pod a ns address i
	pod=$(pod busy)
	address=$(of_pod "$pod" network.ip)
	a=$(talker "$pod" a '/talk serve :: 7000')
	ns=$(ls /run/netns)
	for i in 11 12 13 14; do
		follow_add "net$i" "$i"
	done
	ip -n "$ns" link add wrong type bridge
	ip -n "$ns" addr add 10.90.0.1/24 dev wrong
	until_is "four that have come" 4 in_container "$a" sh -c 'ip -4 -o addr | grep -c "inet 10.89.1[1-4].2/24"'
	for i in 11 12 13 14; do
		net_reached "the node" talk rtt "10.89.$i.2" 7000 5
	done
	# shellcheck disable=SC2046 # words
	ip -n "$ns" -batch - <<<"$(printf 'link add flood type veth peer name flood2\n%s\n' \
		"$(for i in $(seq 3000); do
			echo "addr add 10.92.0.1/24 dev flood"
			echo "addr del 10.92.0.1/24 dev flood"
		done)")"
	net_works "the node meanwhile" "$address" talk
	ip -n "$ns" link del flood
	for i in 11 12 13; do
		ip link del "net$i-n"
	done
	follow_add last 15
	until_is "those that are there" 2 in_container "$a" sh -c 'ip -4 -o addr | grep -c "inet 10.89"'
	net_reached "the node" talk rtt 10.89.15.2 7000 5
	expect "the pod" "$(of_pod "$pod" state)" SANDBOX_READY
	pod_gone "$pod"
}

# As the ipvlan interfaces of one parent have it.
test_network_has_one_hardware_address_twice() {
	local pod a address ns mac=02:00:00:00:00:77
	pod=$(pod twice)
	address=$(of_pod "$pod" network.ip)
	a=$(talker "$pod" a '/talk serve :: 7000')
	ns=$(ls /run/netns)
	follow_add net1 21 "$mac"
	net_reached "the node, by the first" talk rtt 10.89.21.2 7000 1
	follow_add net2 22 "$mac"
	until_is "both" "eth0=$address/16 net1=10.89.21.2/24 net2=10.89.22.2/24 " interfaces_of "$a"
	net_reached "the node, by the second" talk rtt 10.89.22.2 7000 5
	net_reached "the node, by the first" talk rtt 10.89.21.2 7000 5
	ip -n "$ns" addr add 10.89.23.2/24 dev net2
	until_is "another address" "eth0=$address/16 net1=10.89.21.2/24 net2=10.89.22.2/24 net2=10.89.23.2/24 " \
		interfaces_of "$a"
	ip link del net1-n
	until_is "what is left" "eth0=$address/16 net2=10.89.22.2/24 net2=10.89.23.2/24 " interfaces_of "$a"
	pod_gone "$pod"
}

# Even the first interface, which existed before the VM, can be removed.
test_network_loses_its_first_interface() {
	local pod a ns mac
	pod=$(pod loses)
	a=$(talker "$pod" a '/talk serve :: 7000')
	ns=$(ls /run/netns)
	mac=$(ip -n "$ns" -o link show eth0 | sed 's/.*link.ether \([^ ]*\).*/\1/')
	follow_add net1 5
	net_reached "the node" talk rtt 10.89.5.2 7000 5
	ip -n "$ns" link del eth0
	until_is "what is left" "net1=10.89.5.2/24 " interfaces_of "$a"
	net_reached "the node" talk rtt 10.89.5.2 7000 5
	follow_add eth0 6 "$mac"
	until_is "another of its name and hardware address" "eth0=10.89.6.2/24 net1=10.89.5.2/24 " interfaces_of "$a"
	net_works "the node, by it" 10.89.6.2 talk
	pod_gone "$pod"
}
