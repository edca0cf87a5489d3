# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Virtual machines without our programs, for comparison: Debian's kernel with default options, and the bare transport.
# Sourced by run.sh after lib.sh.

MARKER=first-byte-of-pid-1

# Unpacks Debian's cloud kernel without installing it, and prints its path. The result is cached.
debian_kernel() { # CACHE
	local package
	mkdir -p "$1"
	if ! compgen -G "$1/boot/vmlinuz-*" >/dev/null; then
		package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ { print $2; exit }')
		(cd "$1" && apt-get -qq -o APT::Sandbox::User=root download "$package" >/dev/null && dpkg-deb -x ./*.deb . && rm ./*.deb)
	fi
	compgen -G "$1/boot/vmlinuz-*" | head -n 1
}

# Makes an initrd with busybox, the given programs, and the script as PID 1.
small_initrd() { # FILE SCRIPT [PROGRAM...]
	local dir=$LAB/small program
	mkdir -p "$dir"
	cp /bin/busybox "$dir/busybox"
	printf '#!/bin/busybox sh\n%s\n' "$2" >"$dir/init"
	cat >"$dir/manifest" <<-END
		dir  /bin     0755 0 0
		dir  /dev     0755 0 0
		file /bin/busybox 0755 0 0 $dir/busybox
		file /init    0755 0 0 $dir/init
		node /dev/console 0600 0 0 c 5 1
	END
	for program in "${@:3}"; do
		echo "file /bin/${program##*/} 0755 0 0 $(realpath "$program")" >>"$dir/manifest"
	done
	"$TOOLS/mkinitrd" -z none -o "$1" "$dir/manifest"
}

# VMM may name another QEMU than the node's.
plain_qemu() { # ACCELERATOR ARGS...: its standard output is the machine's serial line
	local accelerator=$1
	shift
	# An input without an end, because a port whose host side is closed discards the guest's output.
	[ -p "$LAB/silence" ] || mkfifo "$LAB/silence"
	exec "${VMM:-qemu-system-x86_64}" -machine "q35,accel=$accelerator" -cpu "${CPU:-max}" -m 256M -smp 1 -nodefaults \
		-display none -no-reboot "$@" <>"$LAB/silence" 2>"$LAB/plain.log"
}

# Prints the milliseconds from exec of QEMU to the first byte from PID 1, with SeaBIOS and a plain command line.
debian_boot() { # KERNEL INITRD ACCELERATOR
	local begin=$EPOCHREALTIME end pid
	exec 9< <(plain_qemu "$3" -kernel "$1" -initrd "$2" -append "console=ttyS0 quiet" -serial stdio)
	pid=$!
	grep -m 1 -q "$MARKER" <&9
	end=$EPOCHREALTIME
	kill "$pid" 2>/dev/null
	exec 9<&-
	wait "$pid" 2>/dev/null || true
	awk -v b="$begin" -v e="$end" 'BEGIN { printf "%.1f\n", (e - b) * 1000 }'
}

# Prints the rate of the input in MiB per second, measured from its first byte.
rate() { # MIB
	local begin end
	head -c 1 >/dev/null
	begin=$EPOCHREALTIME
	head -c $(($1 * 1048576 - 1)) | wc -c >/dev/null
	end=$EPOCHREALTIME
	awk -v m="$1" -v b="$begin" -v e="$end" 'BEGIN { printf "%.1f\n", m / (e - b) }'
}

# Measures the transport alone: our QEMU and kernel, and one program that writes to a serial port.
raw_rate() { # KERNEL INITRD ACCELERATOR MIB
	local pid
	exec 9< <(VMM=$LAB_PREFIX/bin/qemu-system-x86_64 CPU=max,erms=off,fsrm=off plain_qemu "$3" -kernel "$1" -initrd "$2" -append "quiet" \
		-device virtio-serial-pci -chardev stdio,id=raw,signal=off \
		-device virtserialport,chardev=raw,name=raw)
	pid=$!
	rate "$4" <&9
	kill "$pid" 2>/dev/null
	exec 9<&-
	wait "$pid" 2>/dev/null || true
}
