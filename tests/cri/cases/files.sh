# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Operations on files of a volume (files.c). Results must be the same with every handler, except for the differences in
# docs/differences.md.

# The expected results for a program that has the directory to itself.
files_alone() {
	cat <<-EOF2
		sparse: hole 1, data 1, blocks few
		allocated: 1048576
		punch: done
		set attribute: done
		attribute: blue
		attributes: user.colour
		remove attribute: done
		remove it again: ENODATA
		direct: done, written 4096, read 4096, d
		file without a name: done
		name it: done
		rename without replacing: EEXIST
		exchange: done
		exchanged: 1
		rename: done
		hard link: done
		hard links: 2, the same: 1
		symbolic link: done
		unlink: done
		hard links: 1
		names: 1 1 1
		a longer one: ENAMETOOLONG
		masked: 100750 40750
		in its group: 2345 2345 42755
		given away: 100755 1
		FIFO: done
		device: done
		kinds: 10600 20644
		a large file: done
		its size: 1099511627776
		truncate: done
		appended: 3
		sync: done
		its size: 6
		write back: done
		mapped: 4096
		events: create modify from to delete
		remove: done
		what it has: still, there: 0
	EOF2
}

files_together() {
	cat <<-EOF2
		flock: EAGAIN
		POSIX lock: EAGAIN
		OFD lock: EAGAIN
		FIFO: done
		by the FIFO, in a shared page: seen
		a watched directory: seen
		socket: done
		it says hello
	EOF2
}

files_say() { # WHAT GOT WANTED: prints the differences
	diff <(echo "$3") <(echo "$2") | sed "s/^/    $1: /"
	[ "$2" = "$3" ]
}

# Prints the volumes of a container of this case: its own, and the test program.
files_volumes() { # SOURCE [JSON]
	mounts "$(volume "$1" /data "${2:-}")" "$(volume "$TOOLS/files" /bin/files ',"readonly":true')"
}

# Applies a known difference from runc, which the guest's kernel or the share causes, to the expected results.
files_differ() { # SED-SCRIPT: applied if the handler is kata
	if [ "$HANDLER" = kata ]; then sed "$1"; else cat; fi
}

test_files_alone() {
	local pod id dir=$LAB/alone
	mkdir -p "$dir"
	pod=$(pod files)
	id=$(started "$pod" c1 'sleep 1000' "$(files_volumes "$dir")")
	files_say files "$(in_container "$id" files alone /data)" "$(files_alone | files_differ \
		's/^\(file without a name\): done/\1: EOPNOTSUPP/; /^name it/d')"
	pod_gone "$pod"
	rm -rf "$dir"
}

# Containers of a pod that share a directory of the node, an emptyDir, and an emptyDir in memory.
test_files_together() {
	local pod a b dir kind=0
	mkdir -p "$LAB/together"
	pod=$(pod together)
	for dir in "$LAB/together" "$(empty_dir scratch)" "$(empty_dir fast Memory)"; do
		kind=$((kind + 1))
		a=$(started "$pod" "a$kind" 'exec files serve /data' "$(files_volumes "$dir")")
		b=$(started "$pod" "b$kind" 'sleep 1000' "$(files_volumes "$dir")")
		files_say "${dir##*/}" "$(in_container "$b" files visit /data)" "$(files_together)"
		ended "$a"
		expect "code of who serves" "$(of_container "$a" exit_code)" 0
	done
	pod_gone "$pod"
	empty_dirs_gone
	rm -rf "$LAB/together"
}

# 9p supports less.
test_files_by_9p() {
	local pod id dir=$LAB/alone
	[ "$HANDLER" = kata ] || return 0
	configured '[hypervisor.qemu]' 'shared_fs = "virtio-9p"'
	mkdir -p "$dir"
	pod=$(pod files)
	id=$(started "$pod" c1 'sleep 1000' "$(files_volumes "$dir")")
	files_say files "$(in_container "$id" files alone /data)" "$(files_alone | sed \
		's/^\(file without a name\): done/\1: EOPNOTSUPP/; /^name it/d
		s/^\(sparse: hole\) 1, data 1/\1 0, data 0/; s/^\(punch\): done/\1: EOPNOTSUPP/
		s/^allocated: .*/allocate: EOPNOTSUPP\nallocated: 0/
		s/^exchange: done/exchange: EINVAL/; s/^exchanged: 1/exchanged: 0/
		s/^\(FIFO\|device\): done/\1: ENXIO/; s/^kinds: .*/kinds: 0 0/; s/^events: .*/events:/')"
	pod_gone "$pod"
	rm -rf "$dir"
}
