#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
#
# PID 1 of the machine that loses its power. The kernel's command line chooses the task:
#   task=prepare verb=VERB fs=FS	brings the node into the state that VERB starts from, and stops
#   task=run				prints GO, runs the verb, prints DONE, waits for the end
#   task=digest				runs the verb, prints the node's digest, and stops
#   task=check				recovers, prints the digest, runs the verb again, prints the digest again
/bin/busybox mkdir -p /proc /sys /dev /run/lock /tmp /node /release
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
$b --install -s /bin
PATH=/bin
# A fixed time, later than the build.
date -s @1900000000 >/dev/null
value() { sed -n "s/.*\\b$1=\\([a-z0-9]*\\).*/\\1/p" /proc/cmdline; }
fs=$(value fs) verb=$(value verb)
mount -t "$fs" /dev/vda /node || echo "FAIL mount"
mount -t ext4 -o ro /dev/vdb /release

deploy() { # VERB OPTION...
	verb_=$1
	shift
	kata-deploy "$verb_" --root /node --lock /run/lock/kata "$@"
}
offered() { # VERB RELEASE
	deploy "$1" --release "/release/$2" --key /release/key.pub --trust-dir /none --cache /tmp/cache \
		--cri containerd --no-proof --yes --quiet
}
act() {
	case $verb in
	install) offered install one ;;
	upgrade) offered upgrade two ;;
	rollback) deploy rollback --yes --quiet ;;
	uninstall) deploy uninstall --yes --quiet ;;
	gc) deploy gc --yes --quiet ;;
	esac
}
# Prints a digest of everything except times.
digest() {
	cd /node || return
	find . -path ./lost+found -prune -o -print | sort | while read -r f; do
		stat -c '%n %F %a %u %g %h' "$f"
		[ ! -L "$f" ] || readlink "$f"
		case $f in
		*.json) sed 's/[0-9]\{10\}/T/g; s/[0-9-]\{10\}T[0-9:]\{8\}Z/T/g' "$f" | sha256sum ;;
		*) [ ! -f "$f" ] || [ -L "$f" ] || sha256sum <"$f" ;;
		esac
	done | grep -v '^\. ' | sed 's/^\(.* directory [0-9]* 0 0\) .*/\1/' | tee /tmp/listing | sha256sum | cut -d' ' -f1
	cd /
}
stop() {
	umount /node || echo "FAIL umount"
	echo END
	poweroff -f
}

case $(value task) in
prepare)
	mkdir -p /node/etc/containerd /node/opt
	printf '# mine\nversion = 2\n' >/node/etc/containerd/config.toml
	case $verb in
	upgrade | uninstall) offered install one ;;
	rollback) offered install one && offered install two ;;
	gc) offered install one && offered install two && offered install three ;;
	esac || echo "FAIL prepare"
	echo "DIGEST $(digest)"
	stop
	;;
run)
	sync
	echo GO
	act || echo "FAIL act"
	echo DONE
	sleep 1000
	;;
digest)
	act || echo "FAIL act"
	echo "DIGEST $(digest)"
	stop
	;;
check)
	deploy recover --quiet || echo "FAIL recover"
	echo "DIGEST $(digest)"
	[ ! -e /node/opt/kata/state/install.json ] || deploy verify --quiet || echo "FAIL verify"
	# A second rollback would go forward again.
	if [ "$verb" = rollback ]; then
		echo "AGAIN skipped"
	else
		act || echo "FAIL again"
		echo "AGAIN $(digest)"
	fi
	stop
	;;
esac
