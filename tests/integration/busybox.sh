# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Writes the files that every image of the tests has: a static busybox, and two users.

lab_busybox() { # DIR
	local applet
	mkdir -p "$1"/{bin,etc,tmp,dev,proc,sys,root}
	cp /bin/busybox "$1/bin/busybox"
	for applet in $("$1/bin/busybox" --list); do
		[ "$applet" = busybox ] || ln -sf busybox "$1/bin/$applet"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n' >"$1/etc/passwd"
	printf 'root:x:0:\nuser:x:1000:\n' >"$1/etc/group"
}
