# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Connections to localhost of a pod. To forward a port a container manager makes such a connection in the pod's network
# namespace on the node.

localhost_of() { # POD: prints the path of its network namespace
	cri --field info.info PodSandboxStatus "{\"pod_sandbox_id\":\"$1\",\"verbose\":true}" |
		grep -o '/[a-z/]*/netns/cni-[0-9a-f-]*' | head -n 1
}

inside() { # NAMESPACE COMMAND...
	nsenter --net="$1" "${@:2}"
}

# Waits for a web server in the namespace and prints its page.
fetch_page() { # NAMESPACE URL
	for _ in $(seq 300); do
		inside "$1" busybox wget -qO- "$2" 2>/dev/null && return
		sleep 0.1
	done
	inside "$1" busybox wget -O- "$2"
}

# Reaches programs that listen on localhost only, over IPv4 and IPv6 and on any port; the node's own localhost is not
# affected.
test_forward_reaches_localhost() {
	local pod ns at
	pod=$(pod local)
	started "$pod" c1 'mkdir /www; echo page >/www/index.html
		for at in 127.0.0.1:1 127.0.0.1:8080 127.0.0.1:65535 "[::1]:8081" 9090; do
			httpd -p "$at" -h /www
		done; exec sleep 1000' >/dev/null
	ns=$(localhost_of "$pod")
	for at in 127.0.0.1:1 127.0.0.1:8080 127.0.0.1:65535 '[::1]:8081' 127.0.0.1:9090; do
		expect "$at" "$(fetch_page "$ns" "http://$at/")" page
		fails 1 busybox wget -qO- "http://$at/" >/dev/null
	done
	fails 1 inside "$ns" busybox wget -qO- http://127.0.0.1:8082/ >/dev/null # nothing listens on this port
	pod_gone "$pod"
}

# Transfers more than all buffers hold, and ends one direction before the other.
test_forward_carries_all() {
	local pod ns
	pod=$(pod much)
	started "$pod" c1 'nc -ll -p 7000 -e cat & httpd -p 127.0.0.1:8080; exec sleep 1000' >/dev/null
	ns=$(localhost_of "$pod")
	fetch_page "$ns" http://127.0.0.1:8080/bin/true >/dev/null
	head -c $((8 << 20)) /dev/urandom >"$LAB/sent"
	inside "$ns" timeout 120 busybox nc 127.0.0.1 7000 <"$LAB/sent" >"$LAB/got"
	cmp "$LAB/sent" "$LAB/got"
	pod_gone "$pod"
}

# The server answers after the client has closed its direction.
test_forward_half_closes() {
	local pod ns
	pod=$(pod half)
	started "$pod" c1 'printf "#!/bin/sh\ncat >/dev/null\necho late\n" >/bin/late; chmod +x /bin/late
		nc -ll -p 7000 -e late & httpd -p 127.0.0.1:8080; exec sleep 1000' >/dev/null
	ns=$(localhost_of "$pod")
	fetch_page "$ns" http://127.0.0.1:8080/bin/true >/dev/null
	expect answer "$(echo first | inside "$ns" timeout 60 busybox nc 127.0.0.1 7000)" late
	pod_gone "$pod"
}

test_forward_many_at_once() {
	local pod ns i
	pod=$(pod many)
	started "$pod" c1 'httpd -p 127.0.0.1:8080; exec sleep 1000' >/dev/null
	ns=$(localhost_of "$pod")
	fetch_page "$ns" http://127.0.0.1:8080/bin/busybox | sha256sum >"$LAB/wanted"
	for i in $(seq 50); do
		inside "$ns" timeout 120 busybox wget -qO- http://127.0.0.1:8080/bin/busybox |
			sha256sum >"$LAB/got-$i" &
	done
	wait
	for i in $(seq 50); do
		cmp "$LAB/wanted" "$LAB/got-$i"
	done
	pod_gone "$pod"
}

LONG+=(test_forward_stuck_ones_harm_nobody)

# More connections than are served at a time, between a client and a program that do not read: containers still answer,
# and when the clients are gone, others are served. The program sends a line when the client is blocked in writing: a
# client that ends with something unread resets its connection. (Where nothing is unread the host's kernel keeps what
# the client had sent, and the connection, for minutes.)
test_forward_stuck_ones_harm_nobody() {
	local pod ns id i clients=()
	pod=$(pod stuck)
	id=$(started "$pod" c1 'printf "#!/bin/sh\nfor i in 1 2 3; do sleep 3; echo unread; done; exec sleep 1000\n" >/bin/stuck
		chmod +x /bin/stuck; nc -ll -p 7000 -e stuck & httpd -p 127.0.0.1:8080; exec sleep 1000')
	ns=$(localhost_of "$pod")
	fetch_page "$ns" http://127.0.0.1:8080/bin/true >/dev/null
	for i in $(seq 150); do
		# Not by a function: the process that is killed shall be nc.
		nsenter --net="$ns" busybox nc 127.0.0.1 7000 </dev/zero >/dev/null 2>&1 &
		clients+=($!)
	done
	sleep 2
	expect neighbour "$(in_container "$id" echo alive)" alive
	sleep 8
	kill "${clients[@]}" 2>/dev/null
	wait
	has afterwards "$(inside "$ns" timeout 60 busybox wget -qO- http://127.0.0.1:8080/etc/passwd)" '^root:'
	pod_gone "$pod"
}

# Stopping the pod ends the connections, and afterwards nothing uses the namespace.
test_forward_ends_with_the_pod() {
	local pod ns client
	pod=$(pod ends)
	started "$pod" c1 'nc -ll -p 7000 -e cat & httpd -p 127.0.0.1:8080; exec sleep 1000' >/dev/null
	ns=$(localhost_of "$pod")
	fetch_page "$ns" http://127.0.0.1:8080/bin/true >/dev/null
	mkfifo "$LAB/silent"
	inside "$ns" busybox nc 127.0.0.1 7000 <>"$LAB/silent" >"$LAB/got" &
	client=$!
	echo hello >"$LAB/silent"
	until_is "the connection" hello cat "$LAB/got"
	pod_stop "$pod"
	wait "$client" || :
	pod_remove "$pod"
	rm "$LAB/silent"
	expect "its namespace" "$([ -e "$ns" ] && echo there)" ""
}

# --- like kubectl port-forward, through containerd's streaming server ---

# The server decides when to end, because this path has no half-close.
test_forward_by_the_manager() {
	local pod i
	pod=$(pod manager)
	started "$pod" c1 'nc -ll -p 7000 -e head -c 8388608 &
		httpd -p 127.0.0.1:8080; exec sleep 1000' >/dev/null
	fetch_page "$(localhost_of "$pod")" http://127.0.0.1:8080/bin/true >/dev/null
	head -c $((8 << 20)) /dev/urandom >"$LAB/sent"
	cri port-forward "$pod" 7000 <"$LAB/sent" >"$LAB/got"
	cmp "$LAB/sent" "$LAB/got"
	for i in $(seq 50); do
		printf 'GET /etc/passwd HTTP/1.0\r\n\r\n' | cri port-forward "$pod" 8080 >"$LAB/got-$i" &
	done
	wait
	for i in $(seq 50); do
		has "connection $i" "$(<"$LAB/got-$i")" '^root:'
	done
	fails_saying "to nobody" 1 'connection refused\|connection reset by peer' cri port-forward "$pod" 7002
	pod_gone "$pod"
}

# --- the shim's listening sockets in the namespace ---

listening_in() { # NAMESPACE: prints the number of listening sockets
	inside "$1" cat /proc/self/net/tcp /proc/self/net/tcp6 | awk '$4 == "0A"' | wc -l
}

# After the shim was killed neither its sockets nor its BPF program remain, even with open connections.
test_forward_goes_with_the_shim() {
	local pod ns client c
	[ "$HANDLER" = kata ] || return 0
	pod=$(pod dies)
	c=$(started "$pod" c1 'nc -ll -p 7000 -e cat & httpd -p 127.0.0.1:8080; exec sleep 1000')
	ns=$(localhost_of "$pod")
	fetch_page "$ns" http://127.0.0.1:8080/bin/true >/dev/null
	expect "sockets that listen" "$(listening_in "$ns")" 2
	mkfifo "$LAB/silent"
	inside "$ns" busybox nc 127.0.0.1 7000 <>"$LAB/silent" >"$LAB/got" &
	client=$!
	echo hello >"$LAB/silent"
	until_is "the connection" hello cat "$LAB/got"
	kill -KILL "$(shim_of "$pod")"
	wait "$client" || :
	rm "$LAB/silent"
	until_is "sockets that listen afterwards" 0 listening_in "$ns"
	lost "$pod" "$c"
}
