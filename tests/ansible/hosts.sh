# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# Plays on ten hosts, three at a time. Sourced by run.sh, which sets deploy, one, two, dir and play.
#
# The hosts are mount and PID namespaces with sshd on addresses of the test's own loopback interface. $lab/NAME.pid has the
# pid of a host's PID 1, as seen from outside.
#
#	host4	has too little space below /opt
#	host7	is down
#	host9	has a drop-in with which no VM boots, so that the proof fails

HOSTS=(host1 host2 host3 host4 host5 host6 host7 host8 host9 host10)
lab=$dir/lab

on() { # HOST COMMAND...
	local pid
	pid=$(cat "$lab/$1.pid") && shift && nsenter --target "$pid" --mount --pid --root --wd "$@"
}
start_host() { # HOST; writes NAME.pid
	rm -f "$lab/$1.ready"
	setsid unshare --mount --pid --fork --kill-child --mount-proc --propagation private \
		tests/ansible/host.sh "$1" "127.77.0.${1#host}" "$lab" </dev/null >"$lab/$1.log" 2>&1 &
	echo $! >"$lab/$1.outer"
	for _ in $(seq 600); do
		[ ! -e "$lab/$1.ready" ] || break
		sleep 0.1
	done
	pgrep -P "$(cat "$lab/$1.outer")" >"$lab/$1.pid" && [ -e "$lab/$1.ready" ]
}
stop_host() { # HOST
	local pid
	pid=$(cat "$lab/$1.pid" 2>/dev/null) || return 0
	kill -KILL "$pid" 2>/dev/null
	tail --pid="$(cat "$lab/$1.outer")" -f /dev/null
	rm -f "$lab/$1".{pid,outer}
}
stop_hosts() {
	local name
	for name in "${HOSTS[@]}"; do stop_host "$name"; done
	[ -z "${web:-}" ] || kill "$web" 2>/dev/null
}

start_hosts() {
	local name
	mkdir -p "$lab"
	ssh-keygen -q -t ed25519 -N '' -f "$lab/host_key" && ssh-keygen -q -t ed25519 -N '' -f "$lab/client_key" || return
	echo 8m >"$lab/host4.opt"
	echo "[nodes]" >"$lab/inventory"
	for name in "${HOSTS[@]}"; do
		echo "$name ansible_host=127.77.0.${name#host}" >>"$lab/inventory"
		[ "$name" = host7 ] || start_host "$name" || return
	done
	cat >>"$lab/inventory" <<-END
		[nodes:vars]
		ansible_user=root
		ansible_ssh_private_key_file=$lab/client_key
		ansible_ssh_common_args=-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ControlMaster=auto -o ControlPersist=20s -o ControlPath=$lab/%h
	END
	busybox httpd -f -p 127.0.0.1:80 -h "$dir/site" &
	web=$!
	on host9 mkdir -p /opt/kata/etc/config.d
	printf '[hypervisor.qemu]\nkernel = "/nowhere/vmlinux"\n' | on host9 tee /opt/kata/etc/config.d/50-mine.toml
}

plays() { play -i "$lab/inventory" "$@" tests/ansible/many.yml; }
fails() { ! "$@"; }
# In the recap of the last play, the number after WORD matches PATTERN for each HOST.
each() { # WORD=PATTERN HOST...
	local word=$1 name
	shift
	for name; do
		grep "^$name " "$dir/play" | tail -n 1 | grep -Eq " $word( |$)" || { echo "$name: not $word" && return 1; }
	done
}
# The error of HOST in the last play contains TEXT.
why() { # HOST TEXT: prints what was said instead
	local said
	said=$(grep "^fatal: \[$1\]" "$dir/play")
	grep -qF -e "$2" <<<"$said" || { echo "$said" && return 1; }
}
installed() { # VERSION HOST...
	local version=$1 name
	shift
	for name; do
		[[ $(on "$name" readlink /opt/kata/current) == generations/$version-* ]] || { echo "$name has not $version" && return 1; }
	done
}
as_before() { # HOST...
	local name
	for name; do
		on "$name" "$PWD/tests/ansible/describe.sh" /etc /opt /usr/local /var/cache | diff "$lab/$name.before" - ||
			{ echo "$name differs" && return 1; }
	done
}
restarts() { # NUMBER HOST...
	local n=$1 name
	shift
	for name; do
		[ "$(on "$name" cat /run/restarts | wc -l)" = "$n" ] || { echo "$name: not $n restarts" && return 1; }
	done
}
# checks NAME COMMAND...: runs a play and keeps its output
checks() {
	check "$@"
	cp "$dir/said" "$dir/play"
}
version_of() { sed -n 's/^version: *"\{0,1\}\([^"]*\).*/\1/p' "$1/release.yaml"; }
publish() { rm -rf "$dir/site/kata" && mkdir -p "$dir/site" && cp -r "$1" "$dir/site/kata"; }

good=(host1 host2 host3 host5 host6 host8 host10)
bad=(host4 host7 host9)
old=$(version_of "$one") new=$(version_of "$two")
cp "$one/development.pub" "$dir/kata.pub"
publish "$one"

check "ten hosts" start_hosts

checks "a plan" plays --check --diff -l host1
check "of a host that has nothing yet" grep -q "install kata $old below /opt/kata" "$dir/play"
check "nothing changes there" as_before host1

checks "a play of all, in which three fail" fails plays
check "the others are right" installed "$old" "${good[@]}"
check "it says so" each 'failed=0' "${good[@]}"
check "one is full" why host4 "space"
check "and as it was" [ ! -e "/proc/$(cat "$lab/host4.pid")/root/opt/kata/current" ]
check "one is not there" why host7 "UNREACHABLE"
check "the proof of one failed" why host9 "/nowhere/vmlinux"
check "and it has no release" [ ! -e "/proc/$(cat "$lab/host9.pid")/root/opt/kata/current" ]
check "its container manager is as it was" on host9 grep -qvF kata /etc/containerd/config.toml

mend() {
	on host4 mount -o remount,size=1g /opt && start_host host7 && on host9 rm -r /opt/kata
}
check "they are mended" mend
checks "the play again" plays
check "now these are right too" installed "$old" "${bad[@]}"
check "and the others were left alone" each 'changed=0' "${good[@]}"
checks "a third time" plays -e batch=10 -f 10
check "nothing changes" each 'changed=0' "${HOSTS[@]}"

publish "$two"
checks "the plan of an upgrade, pushed" plays --check --diff -e batch=10 -f 10 -e kata_push=true
check "is said of each" [ "$(grep -c "upgrade kata $old to kata $new" "$dir/play")" = 10 ]
check "and changes nothing" installed "$old" "${HOSTS[@]}"
for name in "${HOSTS[@]}"; do on "$name" cp /dev/null /run/restarts; done
checks "an upgrade, pushed" plays -e kata_push=true
check "they have it" installed "$new" "${HOSTS[@]}"
check "nothing was restarted" restarts 0 "${HOSTS[@]}"
check "it was fetched once" [ "$(grep -c "TASK .*Fetch and verify" "$dir/play")" = 1 ]
checks "again" plays -e batch=10 -f 10 -e kata_push=true
check "nothing changes" each 'changed=0' "${HOSTS[@]}"

checks "an uninstall" plays -e batch=10 -f 10 -e kata_state=absent -e kata_push=true
check "they are as they were" as_before "${HOSTS[@]}"
checks "again" plays -e batch=10 -f 10 -e kata_state=absent
check "nothing changes" each 'changed=0' "${HOSTS[@]}"
stop_hosts
