#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests `docker run` and other commands of Docker with runc and with kata: docker.sh PREFIX [TEST...]
#
# Each test is a function test_*, called once per runtime with $RT set. Both must pass it, so it expects what Docker really
# does. Where the two differ a test uses `differs RUNC KATA`, and docs/differences.md has the reason. KATA_RUNTIMES chooses
# the runtimes.
# shellcheck disable=SC2016,SC2317 # what is quoted is for the container
set -u
cd "$(dirname "$0")/../.."
# shellcheck source=tests/engines/docker-lib.sh
. tests/engines/docker-lib.sh
# shellcheck source=tests/integration/expect.sh
. tests/integration/expect.sh
PREFIX=$1
shift
PTY=$(dirname "$PREFIX")/tools/pty
exec </dev/null

differs() { # RUNC KATA: prints the value that is expected of the current runtime
	if [ "$RT" = runc ]; then echo "$1"; else echo "$2"; fi
}

status_of() {
	local status=0
	"$@" >/dev/null 2>&1 || status=$?
	echo "$status"
}

name() { echo "c$BASHPID-$RANDOM"; }

run() { # DOCKER-RUN-ARGS...
	timeout 120 docker run --rm --network none --runtime "$RUNTIME" "$@"
}

start() { # NAME DOCKER-RUN-ARGS...: starts a container in the background, without --rm
	local name=$1
	shift
	timeout 120 docker run -d --name "$name" --network none --runtime "$RUNTIME" "$@" >/dev/null
}

until_true() { # COMMAND...: waits for it to succeed
	for _ in $(seq 600); do
		"$@" && return 0
		sleep 0.1
	done
	echo "    never: $*"
	return 1
}

is() { # NAME FORMAT VALUE
	[ "$(docker inspect -f "$2" "$1")" = "$3" ]
}

said() { # NAME TEXT: succeeds if the text is in its log
	docker logs "$1" 2>&1 | grep -q -- "$2"
}

# --- streams and statuses ---

test_runs_in_its_own_kernel() {
	local kernel
	kernel=$(run "$IMAGE" uname -r)
	[ "$kernel" = "$(uname -r)" ] || kernel=another
	expect "kernel" "$kernel" "$(differs "$(uname -r)" another)"
}

test_streams_are_kept_apart() {
	run "$IMAGE" sh -c 'echo out; echo err >&2' >"$LAB/out" 2>"$LAB/err"
	expect "stdout" "$(cat "$LAB/out")" out
	expect "stderr" "$(cat "$LAB/err")" err
}

test_input_and_output_are_whole() {
	head -c 3000000 /dev/urandom >"$LAB/data"
	run -i "$IMAGE" cat <"$LAB/data" >"$LAB/back"
	cmp "$LAB/data" "$LAB/back"
	expect "no -i" "$(echo lost | run "$IMAGE" cat)" ""
}

test_statuses() {
	expect "true" "$(status_of run "$IMAGE" true)" 0
	expect "exit 7" "$(status_of run "$IMAGE" sh -c 'exit 7')" 7
	expect "not found" "$(status_of run "$IMAGE" no-such-program)" 127
	expect "no such path" "$(status_of run "$IMAGE" /no/such/program)" 127
	expect "not executable" "$(status_of run "$IMAGE" /etc/data)" 126
	expect "a directory" "$(status_of run "$IMAGE" /etc)" 126
	expect "no such option" "$(status_of run --no-such-option "$IMAGE" true)" 125
	expect "no such image" "$(status_of run --pull never no-such-image true)" 125
	expect "no such user" "$(status_of run --user nobody-here "$IMAGE" true)" 125
}

test_what_cannot_run_says_which() {
	local text
	text=$(run "$IMAGE" no-such-program 2>&1) || true
	grep -q 'no-such-program' <<<"$text"
	grep -qi 'not found\|no such file' <<<"$text"
}

test_terminal() {
	"$PTY" docker run --rm -it --network none --runtime "$RUNTIME" "$IMAGE" sh -c \
		'tty; stty size; read -r line; echo "<$line>"; exit 4' >"$LAB/said" <<-'END' ||
		size 50 132
		expect /dev/pts/0
		send hello\n
		expect <hello>
	END
		status=$?
	expect "status" "${status:-0}" 4
}

test_detached_terminal_is_attached() {
	local c status=0
	c=$(name)
	start "$c" -it "$IMAGE" sh
	"$PTY" docker attach "$c" >"$LAB/said" <<-'END' || status=$?
		send echo a$((1+1))b\n
		expect a2b
		send exit 3\n
	END
	expect "status" "$status" 3
	docker rm "$c" >/dev/null
}

test_logs_and_attach() {
	local c
	c=$(name)
	start "$c" "$IMAGE" sh -c 'for i in 1 2 3; do echo line $i; done; echo bad >&2; exit 5'
	expect "wait" "$(docker wait "$c")" 5
	expect "logs" "$(docker logs "$c" 2>/dev/null)" "$(printf 'line 1\nline 2\nline 3')"
	expect "errors" "$(docker logs "$c" 2>&1 >/dev/null)" bad
	expect "state" "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$c")" "exited 5"
	docker rm "$c" >/dev/null
}

# --- life ---

test_exec() {
	local c
	c=$(name)
	start "$c" "$IMAGE" sleep 1000
	expect "output" "$(docker exec "$c" echo hello)" hello
	expect "input" "$(echo through | docker exec -i "$c" cat)" through
	expect "status" "$(status_of docker exec "$c" sh -c 'exit 3')" 3
	expect "not found" "$(status_of docker exec "$c" no-such-program)" 127
	expect "not executable" "$(status_of docker exec "$c" /etc/data)" 126
	expect "user" "$(docker exec -u user "$c" sh -c 'id -u; id -g; id -G')" "$(printf '1000\n1000\n1000 2000')"
	expect "directory, environment" "$(docker exec -w /etc -e A=b "$c" sh -c 'pwd; echo $A')" \
		"$(printf '/etc\nb')"
	docker exec -d "$c" sh -c 'echo done >/tmp/done'
	until_true docker exec "$c" test -s /tmp/done
	"$PTY" docker exec -it "$c" sh -c 'tty; exit 6' >"$LAB/said" <<<'expect /dev/pts/' || status=$?
	expect "terminal" "${status:-0}" 6
	docker rm -f "$c" >/dev/null
	expect "after its end" "$(status_of docker exec "$c" true)" 1
}

test_stop_and_kill() {
	local c loop='while :; do sleep 0.1; done'
	c=$(name)
	start "$c" "$IMAGE" sh -c "trap 'echo term; exit 9' TERM; echo ready; $loop"
	until_true said "$c" ready
	docker stop "$c" >/dev/null
	expect "handled" "$(docker inspect -f '{{.State.ExitCode}}' "$c")" 9
	expect "its last word" "$(docker logs "$c")" "$(printf 'ready\nterm')"
	docker rm "$c" >/dev/null
	start "$c" "$IMAGE" sleep 1000
	docker stop -t 1 "$c" >/dev/null
	expect "not handled" "$(docker inspect -f '{{.State.ExitCode}}' "$c")" 137
	docker rm "$c" >/dev/null
	start "$c" --stop-signal USR1 "$IMAGE" sh -c "trap 'exit 8' USR1; echo ready; $loop"
	until_true said "$c" ready
	docker stop "$c" >/dev/null
	expect "stop signal" "$(docker inspect -f '{{.State.ExitCode}}' "$c")" 8
	docker rm "$c" >/dev/null
	start "$c" "$IMAGE" sh -c "trap 'echo hup' HUP; echo ready; $loop"
	until_true said "$c" ready
	docker kill -s HUP "$c" >/dev/null
	until_true said "$c" hup
	docker kill "$c" >/dev/null
	expect "killed" "$(docker wait "$c")" 137
	docker rm "$c" >/dev/null
}

test_created_and_removed() {
	local c
	c=$(name)
	docker create --name "$c" --network none --runtime "$RUNTIME" "$IMAGE" echo begun >/dev/null
	docker rm "$c" >/dev/null
	docker create --name "$c" --network none --runtime "$RUNTIME" "$IMAGE" echo begun >/dev/null
	expect "started later" "$(docker start -a "$c")" begun
	expect "started again" "$(docker start -a "$c")" begun
	docker rm "$c" >/dev/null
}

test_restart() {
	local c
	c=$(name)
	start "$c" "$IMAGE" sh -c 'echo run >>/runs; sleep 1000'
	until_true docker exec "$c" test -s /runs
	docker restart -t 1 "$c" >/dev/null
	two_runs() { [ "$(docker exec "$c" cat /runs | wc -l)" = 2 ]; }
	until_true two_runs
	docker rm -f "$c" >/dev/null
}

test_restart_policy() {
	local c
	c=$(name)
	start "$c" --restart on-failure:2 "$IMAGE" sh -c 'echo try; exit 3'
	until_true is "$c" '{{.RestartCount}} {{.State.Status}}' "2 exited"
	expect "tries" "$(docker logs "$c" | grep -c try)" 3
	expect "status" "$(docker inspect -f '{{.State.ExitCode}}' "$c")" 3
	docker rm "$c" >/dev/null
	start "$c" --restart always "$IMAGE" sh -c 'echo try; sleep 1000'
	until_true said "$c" try
	# A container that ends by itself, here because its VM or process on the host was killed, is restarted.
	kill -KILL "$(docker inspect -f '{{.State.Pid}}' "$c")"
	until_true is "$c" '{{.RestartCount}} {{.State.Status}}' "1 running"
	docker stop -t 1 "$c" >/dev/null
	expect "stopped by hand" "$(docker inspect -f '{{.State.Status}}' "$c")" exited
	docker rm "$c" >/dev/null
}

test_pause() {
	local c
	c=$(name)
	start "$c" "$IMAGE" sleep 1000
	docker pause "$c" >/dev/null
	expect "state" "$(docker inspect -f '{{.State.Status}}' "$c")" paused
	docker unpause "$c" >/dev/null
	expect "exec" "$(docker exec "$c" echo on)" on
	docker rm -f "$c" >/dev/null
}

test_health() {
	local c
	c=$(name)
	start "$c" --health-cmd 'test -e /tmp/well' --health-interval 500ms --health-retries 2 \
		"$IMAGE" sleep 1000
	until_true is "$c" '{{.State.Health.Status}}' unhealthy
	docker exec "$c" touch /tmp/well
	until_true is "$c" '{{.State.Health.Status}}' healthy
	docker rm -f "$c" >/dev/null
}

# --- limits ---

test_memory() {
	local c
	expect "status" "$(status_of run --memory 64m --memory-swap 64m "$IMAGE" \
		sh -c 'exec dd if=/dev/zero of=/dev/null bs=200M count=1')" 137
	c=$(name)
	start "$c" --memory 64m --memory-swap 64m "$IMAGE" sh -c 'exec dd if=/dev/zero of=/dev/null bs=200M count=1'
	docker wait "$c" >/dev/null
	expect "said" "$(docker inspect -f '{{.State.OOMKilled}}' "$c")" true
	docker rm "$c" >/dev/null
}

test_limits_are_updated() {
	local c large='exec dd if=/dev/zero of=/dev/null bs=40M count=1'
	c=$(name)
	start "$c" --memory 100m --memory-swap 100m "$IMAGE" sleep 1000
	expect "enough" "$(status_of docker exec "$c" sh -c "$large")" 0
	docker update --memory 20m --memory-swap 20m "$c" >/dev/null
	expect "too little" "$(status_of docker exec "$c" sh -c "$large")" 137
	docker rm -f "$c" >/dev/null
}

test_processes() {
	expect "a bomb is held" "$(run --pids-limit 10 "$IMAGE" sh -c \
		'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait; echo never' 2>/dev/null)" ""
}

test_stats() {
	local c used
	c=$(name)
	start "$c" "$IMAGE" sh -c 'while :; do :; done'
	used=$(docker stats --no-stream --format '{{.CPUPerc}} {{.PIDs}}' "$c")
	awk '{ exit !($1 + 0 > 5 && $2 >= 1) }' <<<"$used"
	docker rm -f "$c" >/dev/null
}

test_ulimit() {
	expect "files" "$(run --ulimit nofile=123:456 "$IMAGE" sh -c 'ulimit -n; ulimit -Hn')" \
		"$(printf '123\n456')"
}

# --- files ---

test_read_only() {
	expect "root" "$(status_of run --read-only "$IMAGE" touch /new)" 1
	expect "tmpfs" "$(run --read-only --tmpfs /tmp "$IMAGE" sh -c 'echo new >/tmp/new; cat /tmp/new')" new
	expect "a directory of the host" "$(run --read-only -v "$LAB:/data" "$IMAGE" \
		sh -c 'echo x >/data/fresh; cat /data/fresh')" x
}

test_volumes() {
	mkdir -p "$LAB/dir"
	echo host >"$LAB/dir/file"
	expect "read" "$(run -v "$LAB/dir:/data" "$IMAGE" cat /data/file)" host
	run -v "$LAB/dir:/data" "$IMAGE" sh -c 'echo guest >/data/new; mv /data/file /data/moved'
	expect "written" "$(cat "$LAB/dir/new" "$LAB/dir/moved")" "$(printf 'guest\nhost')"
	expect "read only" "$(status_of run -v "$LAB/dir:/data:ro" "$IMAGE" touch /data/x)" 1
	expect "a file" "$(run -v "$LAB/dir/new:/etc/one:ro" "$IMAGE" cat /etc/one)" guest
	run -v v1:/data "$IMAGE" sh -c 'echo kept >/data/k'
	expect "a volume" "$(run -v v1:/data "$IMAGE" cat /data/k)" kept
	expect "with what the image has" "$(run -v v2:/etc "$IMAGE" cat /etc/data)" data
	docker volume rm v1 v2 >/dev/null
}

test_tmpfs() {
	expect "options" "$(run --tmpfs /scratch:size=1m,mode=1770,uid=1000,noexec "$IMAGE" sh -c '
		stat -c "%a %u" /scratch; grep " /scratch " /proc/mounts | grep -c noexec
		dd if=/dev/zero of=/scratch/big bs=1M count=2 2>/dev/null || echo full')" \
		"$(printf '1770 1000\n1\nfull')"
	expect "--shm-size" "$(run --shm-size 3m "$IMAGE" df -m /dev/shm | awk 'END { print $2 }')" 3
}

test_copy() {
	local c
	c=$(name)
	start "$c" "$IMAGE" sleep 1000
	echo in >"$LAB/in"
	docker cp "$LAB/in" "$c:/root/in" >/dev/null 2>&1
	expect "in" "$(docker exec "$c" cat /root/in)" in
	docker exec "$c" sh -c 'echo out >/root/out'
	docker cp "$c:/root/out" "$LAB/got" >/dev/null 2>&1
	expect "out" "$(cat "$LAB/got")" out
	docker diff "$c" | grep -q '^A /root/out$'
	docker rm -f "$c" >/dev/null
}

# --- identity ---

test_user() {
	expect "by name" "$(run --user user "$IMAGE" sh -c 'id -u; id -g; id -G')" \
		"$(printf '1000\n1000\n1000 2000')"
	expect "by number" "$(run --user 5:6 --group-add 7 "$IMAGE" sh -c 'id -u; id -g; id -G')" \
		"$(printf '5\n6\n6 7')"
	expect "home" "$(run --user user "$IMAGE" sh -c 'echo $HOME')" /home/user
}

test_capabilities() {
	local sets='grep -E "^Cap(Prm|Eff|Bnd|Inh|Amb)" /proc/self/status'
	expect "default" "$(run "$IMAGE" sh -c "$sets" | awk '/CapEff/ { print $2 }')" 00000000a80425fb
	expect "none" "$(run --cap-drop ALL "$IMAGE" sh -c "$sets" | awk '{ print $2 }' | sort -u)" 0000000000000000
	expect "one" "$(run --cap-drop ALL --cap-add NET_ADMIN "$IMAGE" sh -c "$sets" |
		awk '/CapEff/ { print $2 }')" 0000000000001000
	expect "chown" "$(status_of run --cap-drop CHOWN "$IMAGE" chown 5 /etc/data)" 1
	expect "no new privileges" "$(run --security-opt no-new-privileges "$IMAGE" \
		awk '/NoNewPrivs/ { print $2 }' /proc/self/status)" 1
	expect "seccomp" "$(run "$IMAGE" awk '/Seccomp:/ { print $2 }' /proc/self/status)" 2
	expect "unconfined" "$(run --security-opt seccomp=unconfined "$IMAGE" \
		awk '/Seccomp:/ { print $2 }' /proc/self/status)" 0
}

test_privileged() {
	expect "mounts" "$(run --privileged "$IMAGE" sh -c 'mount -t tmpfs x /tmp && echo mounted')" mounted
	expect "otherwise not" "$(run "$IMAGE" sh -c 'mount -t tmpfs x /tmp 2>/dev/null || echo no')" no
}

test_init() {
	expect "the first process" "$(run --init "$IMAGE" cat /proc/1/comm)" docker-init
	# --init reaps orphans.
	expect "no zombies" "$(run --init "$IMAGE" sh -c '
		sh -c "sleep 0.2 &"; sleep 1; grep -l "State:.Z" /proc/[0-9]*/status | wc -l')" 0
	expect "status" "$(status_of run --init "$IMAGE" sh -c 'exit 12')" 12
}

test_names() {
	expect "host name" "$(run --hostname there "$IMAGE" sh -c 'hostname; cat /etc/hostname')" \
		"$(printf 'there\nthere')"
	expect "environment" "$(run -e A=1 -e B='x y' "$IMAGE" sh -c 'echo "$A/$B"')" "1/x y"
	expect "directory" "$(run -w /new/place "$IMAGE" pwd)" /new/place
	expect "extra host" "$(run --add-host box:1.2.3.4 "$IMAGE" grep box /etc/hosts | tr '\t' ' ')" "1.2.3.4 box"
}

test_sysctls() {
	# Docker itself sets two net.* sysctls, so that low ports and ping need no privileges.
	expect "ports" "$(run "$IMAGE" cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" 0
	expect "said" "$(run --sysctl net.ipv4.tcp_keepalive_time=77 --sysctl kernel.msgmax=8888 "$IMAGE" \
		cat /proc/sys/net/ipv4/tcp_keepalive_time /proc/sys/kernel/msgmax)" "$(printf '77\n8888')"
}

test_devices() {
	expect "null" "$(run --device /dev/null:/dev/nothing "$IMAGE" sh -c 'echo x >/dev/nothing && stat -c "%t:%T" /dev/nothing')" 1:3
	expect "not said" "$(run --cap-add MKNOD "$IMAGE" sh -c \
		'mknod /tmp/mem b 7 0 2>/dev/null; head -c 1 /tmp/mem >/dev/null 2>&1 || echo no')" no
}

test_namespaces_are_seen() {
	expect "processes" "$(run "$IMAGE" sh -c 'set -- /proc/[0-9]*; echo $#')" 1
	expect "masked" "$(run "$IMAGE" sh -c 'cat /proc/kcore /proc/timer_list /proc/keys 2>/dev/null | wc -c; ls /sys/firmware | wc -l')" \
		"$(printf '0\n0')"
}

test_dockerd_restarted() {
	local c
	echo '{"live-restore":true}' >/etc/docker/daemon.json
	docker_end_daemon
	docker_daemon
	c=$(name)
	start "$c" "$IMAGE" sh -c 'while :; do echo tick; sleep 0.2; done'
	until_true said "$c" tick
	docker_end_daemon
	docker_daemon
	expect "state" "$(docker inspect -f '{{.State.Status}}' "$c")" running
	expect "exec" "$(docker exec "$c" echo again)" again
	docker stop -t 1 "$c" >/dev/null
	expect "status" "$(docker inspect -f '{{.State.ExitCode}}' "$c")" 137
	docker rm "$c" >/dev/null
}


docker_start "$PREFIX" || exit
docker_image
echo "  docker $(docker version -f '{{.Server.Version}}'), containerd $(containerd --version | awk '{ print $3 }')," \
	"$(runc --version | head -n 1), $(qemu-system-x86_64 --version | head -n 1)"
choose_tests "$@"
# On a busy machine Docker itself sometimes loses data, such as the output of a container that ends at once ("reading from
# a closed fifo"). That is not a fault of kata, so a failed test is repeated with runc.
for t in "${tests[@]}"; do
	for RT in ${KATA_RUNTIMES:-runc kata}; do
		RUNTIME=$(differs runc io.containerd.kata.v2)
		for try in $(seq "$(differs 3 1)"); do
			start=$SECONDS log=$(($(wc -l <"$LAB/dockerd.log") + 1))
			(
				set -e
				trap - EXIT
				"$t"
				docker_gone
			)
			status=$?
			[ "$status" != 0 ] || break
			tail -n +"$log" "$LAB/dockerd.log" | grep -E 'level=(warning|error)' | tail -n 5 |
				cut -c1-400 | sed 's/^/    log: /'
			docker_reset
			echo "    $t $RT: try $try failed"
		done
		counted "$status" "$t $RT" "$start"
	done
done
totals docker
