# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Files that guest and host share: each sees the changes of the other. Results are compared with runc's where possible.

shared_by() { # FILE-SYSTEM TOML...: makes a configuration with it and these lines in [hypervisor.qemu]; prints its path
	local fs=$1
	shift
	configured '[hypervisor.qemu]' "shared_fs = \"$fs\"" "$@"
}

by_conf() { # CONFIGURATION ARGS...: like run, with that configuration
	local conf=$1
	shift
	run --annotation "io.katacontainers.config_path=$conf" "$@"
}

# Makes $LAB/programs/1 to 20; each exits with the status of its name. They fit into one page, so that the guest reads
# each into the page of the previous one.
programs() {
	local end='__asm__ volatile("syscall" : : "a"(60), "D"(STATUS)); for (;;) ;'
	[ "$(uname -m)" = x86_64 ] ||
		end='register long n __asm__("x8") = 93, s __asm__("x0") = STATUS;
			__asm__ volatile("svc 0" : : "r"(n), "r"(s)); for (;;) ;'
	mkdir -p "$LAB/programs"
	[ ! -e "$LAB/programs/20" ] || return 0
	for i in $(seq 20); do
		echo "void _start(void) { $end }" | "${CC:-cc}" -DSTATUS="$i" -O2 -static -nostdlib \
			-Wl,--build-id=none,-z,noseparate-code -x c -o "$LAB/programs/$i" -
	done
}

# Replaces a program 20 times while a container runs it, and prints the exit statuses.
replaced() { # HOW CONFIGURATION: "content" or "file", after which it waits 1 s if the share caches
	local how=$1 conf=$2 wait=$3 status
	mkdir -p "$LAB/replaced"
	cp "$LAB/programs/1" "$LAB/replaced/program"
	# shellcheck disable=SC2016
	coproc by_conf "$conf" --mount "type=bind,src=$LAB/replaced,dst=/mnt,options=rbind:ro" \
		"$IMAGE" "$(lab_id)" sh -c 'while read -r _; do /mnt/program; echo $?; done'
	# shellcheck disable=SC2153
	local to=${COPROC[1]} from=${COPROC[0]} pid=$COPROC_PID
	for i in $(seq 20); do
		if [ "$how" = content ]; then
			cat "$LAB/programs/$i" >"$LAB/replaced/program"
		else
			cp "$LAB/programs/$i" "$LAB/replaced/next"
			mv "$LAB/replaced/next" "$LAB/replaced/program"
		fi
		sleep "$wait"
		echo >&"$to"
		read -r -t 60 status <&"$from"
		echo "$status"
	done
	exec {to}>&-
	wait "$pid"
}

test_a_replaced_program_is_run_as_what_it_is() {
	local all conf
	all=$(seq 20)
	programs
	# In this cache mode attributes are cached for a second.
	expect "virtio-fs" "$(replaced content "$(shared_by virtio-fs)" 1.1)" "$all"
	conf=$(shared_by virtio-fs 'virtio_fs_cache = "none"')
	expect "virtio-fs, not cached" "$(replaced content "$conf" 0)" "$all"
	expect "virtio-fs, not cached, files" "$(replaced file "$conf" 0)" "$all"
	expect "9p" "$(replaced content "$(shared_by virtio-9p)" 0)" "$all"
	expect "9p, files" "$(replaced file "$(shared_by virtio-9p)" 0)" "$all"
}

test_the_choice_of_the_share_is_told() {
	local conf id fs line program=$PREFIX/bin/kata-runtime
	conf=$(shared_by "")
	"$program" --config "$conf" check >"$LAB/said"
	grep -q '^ok   files  *virtio-fs: .*virtiofsd, [a-z]' "$LAB/said"
	"$program" --config "$conf" env --json >"$LAB/said"
	grep -q '"shared_fs": *"virtio-fs"' "$LAB/said"
	grep -q '"shared_fs_why": *"' "$LAB/said"
	for fs in virtio-9p virtio-fs; do
		id=$(lab_id)
		by_conf "$(shared_by $fs)" "$IMAGE" "$id" true
		line=$(grep "share chosen" "$LAB/containerd.log" | grep -F "$id")
		has "the log" "$line" "share=$fs .*why="
	done
	# A kernel without the note that it stores the pages.
	conf=$(shared_by "" 'accelerator = "tcg"' "kernel = \"$LAB/programs/1\"")
	programs
	"$program" --config "$conf" check >"$LAB/said"
	grep -q '^ok   files  *virtio-9p: without KVM, .*does not store' "$LAB/said"
	conf=$(shared_by virtio-fs 'accelerator = "tcg"' "kernel = \"$LAB/programs/1\"")
	if "$program" --config "$conf" check >"$LAB/said" 2>"$LAB/err"; then return 1; fi
	grep -q '^no   files' "$LAB/said"
	grep -q 'set shared_fs = "virtio-9p"' "$LAB/err"
	if by_conf "$conf" "$IMAGE" "$(lab_id)" true 2>"$LAB/err"; then return 1; fi
	grep -q 'does not store what it reads' "$LAB/err"
}

bytes_read_by() { # PID...
	local pid
	for pid; do awk '$1 == "rchar:" { print $2 }' "/proc/$pid/io"; done | awk '{ s += $1 } END { print s + 0 }'
}

# The guest keeps the pages of a file from one open to the next, but not once the host has changed the
# file: in place, with its time set back, by replacing it, or through a mapping that existed before.
test_pages_are_kept_while_a_file_does_not_change() {
	local dir=$LAB/kept id name before daemon scribble
	mkdir -p "$dir"
	head -c 2M /dev/urandom >"$dir/kept"
	for name in written restored replaced grown mapped; do echo "a $name" >"$dir/$name"; done
	coproc "$TOOLS/scribble" "$dir/mapped"
	local to_map=${COPROC[1]} from_map=${COPROC[0]}
	scribble=$COPROC_PID
	echo b >&"$to_map"
	read -r _ <&"$from_map"
	id=$(lab_id)
	# shellcheck disable=SC2016
	{ coproc by_conf "$(shared_by virtio-fs)" \
		--mount "type=bind,src=$dir,dst=/mnt,options=rbind:ro" "$IMAGE" "$id" \
		sh -c 'while read -r name; do sha256sum <"/mnt/$name"; done'; } 2>/dev/null
	local to=${COPROC[1]} from=${COPROC[0]} pid=$COPROC_PID
	same() { # NAME: the guest reads what the host has
		local digest
		echo "$1" >&"$to"
		read -r -t 120 digest <&"$from"
		expect "$1" "$digest" "$(sha256sum <"$dir/$1")"
	}
	same kept
	sleep 5 # a change is not recent any more
	for name in kept written restored replaced grown mapped; do same "$name"; done

	if [[ ${KATA_TEST_CONFIG:-} != *virtio_fs_daemon* ]]; then # the release's
		daemon=$(pgrep -f "virtiofsd.*$id")
		# shellcheck disable=SC2086
		before=$(bytes_read_by $daemon)
		same kept
		# shellcheck disable=SC2086
		expect "read again" "$((($(bytes_read_by $daemon) - before) >> 20))" 0
	fi

	printf x | dd of="$dir/written" conv=notrunc status=none
	touch -r "$dir/restored" "$LAB/time"
	printf x | dd of="$dir/restored" conv=notrunc status=none
	touch -r "$LAB/time" "$dir/restored"
	echo "x replaced" >"$LAB/next"
	mv "$LAB/next" "$dir/replaced"
	echo x >>"$dir/grown"
	echo x >&"$to_map"
	read -r _ <&"$from_map"
	sleep 1.1 # attributes are kept for a second
	for name in written restored replaced grown mapped; do same "$name"; done
	exec {to}>&- {to_map}>&-
	wait "$pid"
	wait "$scribble"
	rm -r "$dir"
}

# The guest no longer writes to a file that the host has removed or replaced.
test_a_file_that_the_host_replaces_is_the_one_that_is_written() {
	local conf
	for conf in "$(shared_by virtio-9p)" "$(shared_by virtio-fs 'virtio_fs_cache = "none"')"; do
		mkdir -p "$LAB/moving"
		echo old | tee "$LAB/moving/removed" >"$LAB/moving/renamed"
		# shellcheck disable=SC2016
		coproc by_conf "$conf" --mount "type=bind,src=$LAB/moving,dst=/mnt,options=rbind:rw" \
			"$IMAGE" "$(lab_id)" sh -c 'cat /mnt/*; read -r _
				echo written >>/mnt/removed; echo written >>/mnt/renamed; echo done'
		local to=${COPROC[1]} from=${COPROC[0]} pid=$COPROC_PID
		read -r -t 120 _ <&"$from"
		read -r -t 60 _ <&"$from"
		rm "$LAB/moving/removed"
		echo new >"$LAB/moving/next"
		mv "$LAB/moving/next" "$LAB/moving/renamed"
		echo >&"$to"
		read -r -t 60 _ <&"$from"
		exec {to}>&-
		wait "$pid"
		expect "removed" "$(cat "$LAB/moving/removed")" written
		expect "replaced" "$(cat "$LAB/moving/renamed")" "$(printf 'new\nwritten')"
		rm -r "$LAB/moving"
	done
}

# Pages of a shared mapping are written at their own offsets, even if the file was opened with O_APPEND.
test_a_mapped_file_that_was_opened_to_append() {
	local sum
	mkdir -p "$LAB/mapped"
	cp "$TOOLS/mapped" "$LAB/mapped/program"
	"$TOOLS/mapped" "$LAB/mapped/here"
	sum=$(sha256sum <"$LAB/mapped/here")
	# shellcheck disable=SC2153
	for runtime in "$RUNTIME" io.containerd.runc.v2; do
		RUNTIME=$runtime run --mount "type=bind,src=$LAB/mapped,dst=/mnt,options=rbind:rw" \
			"$IMAGE" "$(lab_id)" /mnt/program /mnt/there
		expect "$runtime" "$(sha256sum <"$LAB/mapped/there")" "$sum"
	done
}

# Which mounts below a bind mount a container sees, and which of them it may write: "ro" is for the first one, "rro" for
# all.
# shellcheck disable=SC2016
test_read_only_binds_as_with_runc() {
	local of=$LAB/layers options
	mkdir -p "$of"
	mount -t tmpfs layers "$of"
	mkdir "$of/below"
	mount -t tmpfs below "$of/below"
	touch "$of/below/there"
	for options in bind:ro rbind:ro rbind:rro bind:rro rbind:rro:rprivate rbind:rnosuid:rw; do
		for runtime in "$RUNTIME" io.containerd.runc.v2; do
			RUNTIME=$runtime run --mount "type=bind,src=$of,dst=/mnt,options=$options" "$IMAGE" "$(lab_id)" sh -c '
				for d in /mnt /mnt/below; do touch $d/new 2>/dev/null; echo $d $?; rm -f $d/new; done
				ls /mnt/below' >"$LAB/by-$runtime"
		done
		expect "$options" "$(<"$LAB/by-$RUNTIME")" "$(<"$LAB/by-io.containerd.runc.v2")"
	done
	umount "$of/below" "$of"
}

# A container that sees mounts of the host does not hinder the host: what was mounted below can be unmounted, and its mount
# point removed, while the container runs.
test_mount_points_of_the_host_stay_free() {
	local of=$LAB/free id fs
	for fs in virtio-fs virtio-9p; do
		id=$(lab_id)
		mkdir -p "$of/below"
		mount -t tmpfs below "$of/below"
		touch "$of/below/there"
		timeout 120 ctr --address "$LAB/containerd.sock" run -d --runtime "$RUNTIME" \
			--annotation "io.katacontainers.config_path=$(shared_by "$fs")" \
			--mount "type=bind,src=$of,dst=/mnt,options=rbind:ro" "$IMAGE" "$id" sleep 1000
		expect "$fs" "$(lab_ctr tasks exec --exec-id a "$id" ls /mnt/below)" there
		umount -l "$of/below"
		mv "$of/below" "$of/moved"
		rmdir "$of/moved"
		removed "$id"
	done
}

# shellcheck disable=SC2016
group_spec() { # FILE DIRECTORY
	local script='cd /mnt/$d && echo x >file && mkdir sub sub/more && ln -s file link &&
		mkfifo fifo && (umask 0; echo x >open) && echo x >special && chmod 2755 special &&
		mv file moved && mv sub moved-sub && echo y >>moved && ln moved hard &&
		cp moved gone && rm gone && mkdir gone && rmdir gone; echo $d $?'
	script="id; for d in inherits plain others own; do ($script); done 2>&1
		(cd /mnt/closed; echo x >file) 2>&1; find /mnt -exec ls -dln {} + |
		awk '{ print \$1, \$3, \$4, \$9 }' | sort -k 4"
	script=$(tr '\t' ' ' <<<"$script" | sed 's/\\/\\\\/g; s/"/\\"/g' | awk '{ printf "%s\\n", $0 }')
	lab_spec "$1" '[]' ",\"process\":{\"user\":{\"uid\":1000,\"gid\":1000,
		\"additionalGids\":[10,2000,3000]},\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],
		\"args\":[\"sh\",\"-c\",\"$script\"]}"
	sed -i "s|\"mounts\":\[|&{\"destination\":\"/mnt\",\"type\":\"bind\",\"source\":\"$2\",\
		\"options\":[\"rbind\",\"rw\"]},|" "$1"
}

group_directories() { # DIRECTORY: makes directories that a supplementary group may write, and others
	mkdir -p "$1"/{inherits,plain,others,own,closed}
	chown 0:2000 "$1"/{inherits,plain}
	chown 0:3000 "$1/others"
	chown 1000:2000 "$1/own"
	chown 0:4000 "$1/closed"
	chmod 2775 "$1/inherits"
	chmod 775 "$1"/{plain,own,closed}
	chmod 777 "$1/others"
}

# A user who may write a directory as a member of a supplementary group can create, rename and remove files there; new
# files have the right owners.
test_supplementary_groups_count_as_with_runc() {
	for runtime in "$RUNTIME" io.containerd.runc.v2; do
		rm -rf "$LAB/groups"
		group_directories "$LAB/groups"
		group_spec "$LAB/groups.json" "$LAB/groups"
		RUNTIME=$runtime run --config "$LAB/groups.json" "$(lab_id)" >"$LAB/by-$runtime" 2>&1 || true
	done
		grep -q '^plain 0$' "$LAB/by-io.containerd.runc.v2"
	grep -q '^inherits 0$' "$LAB/by-io.containerd.runc.v2"
	diff "$LAB/by-io.containerd.runc.v2" "$LAB/by-$RUNTIME" | sed 's/^/    /'
	cmp -s "$LAB/by-io.containerd.runc.v2" "$LAB/by-$RUNTIME"
}

# Using more files than virtiofsd can have open at a time causes no failure.
test_more_files_than_the_daemon_may_open() {
	local conf id files=${KATA_FILES:-200000}
	conf=$(shared_by virtio-fs 'virtio_fs_extra_args = ["--rlimit-nofile=20000"]')
	mkdir -p "$LAB/walk"
	seq -f "$LAB/walk/%03g" 0 $((files / 2000 - 1)) | xargs mkdir
	for dir in "$LAB/walk"/*; do (cd "$dir" && seq 2000 | xargs touch); done
	id=$(lab_id)
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --runtime "$RUNTIME" \
		--annotation "io.katacontainers.config_path=$conf" \
		--mount "type=bind,src=$LAB/walk,dst=/mnt,options=rbind:rw" "$IMAGE" "$id" sleep 1000
	expect "files" "$(timeout 900 ctr --address "$LAB/containerd.sock" tasks exec --exec-id walk \
		"$id" sh -c 'find /mnt -type f -size 0 2>&1 | wc -l')" "$files"
	expect "exec" "$(lab_ctr tasks exec --exec-id after "$id" sh -c 'echo x >/mnt/000/new; cat /mnt/000/new')" x
	removed "$id"
	rm -rf "$LAB/walk"
}
