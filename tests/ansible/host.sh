#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A simulated host for plays: host.sh NAME ADDRESS LAB. It is called in mount and PID namespaces of its own, and has its
# own /etc, /opt, /root, /run, /usr/local, /var/lib and /var/cache, a containerd, and sshd on ADDRESS. LAB/NAME.opt, if it
# exists, contains the size of /opt. The host ends with its PID 1.
set -eu
name=$1 address=$2 lab=$3
here=$(dirname "$(realpath "$0")")
mount --make-rprivate /
mkdir -p "$lab/$name/etc"
cp -a /etc/. "$lab/$name/etc/"
rm -rf "$lab/$name"/etc/{kata-deploy,containerd,ssh/sshd_config.d}
mount --bind "$lab/$name/etc" /etc
for place in /opt /root /run /usr/local /var/lib /var/cache; do
	mount -t tmpfs -o mode=0755 host "$place"
done
[ ! -e "$lab/$name.opt" ] || mount -o "remount,size=$(cat "$lab/$name.opt")" /opt
mkdir -p /run/lock /run/sshd /usr/local/bin /etc/containerd /usr/local/sbin
cat >/etc/containerd/config.toml <<-END
	# $name's own
	version = 2
	[plugins."io.containerd.grpc.v1.cri"]
	  restrict_oom_score_adj = true
	  [plugins."io.containerd.grpc.v1.cri".cni]
	    conf_dir = "/etc/cni/none"
END
cat >/usr/local/sbin/restart-containerd <<-'END'
	#!/bin/sh
	echo restarted >>/run/restarts
	pid=$(cat /run/containerd.pid 2>/dev/null)
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null; tail --pid="$pid" -f /dev/null; }
	setsid containerd </dev/null >>/run/containerd.log 2>&1 &
	echo $! >/run/containerd.pid
END
chmod +x /usr/local/sbin/restart-containerd
/usr/local/sbin/restart-containerd
until ctr version >/dev/null 2>&1; do sleep 0.1; done
: >/run/restarts
"$here/describe.sh" /etc /opt /usr/local /var/cache >"$lab/$name.before"
cat >/run/sshd_config <<-END
	ListenAddress $address
	Port 22
	HostKey $lab/host_key
	AuthorizedKeysFile $lab/client_key.pub
	StrictModes no
	UsePAM no
	PidFile /run/sshd.pid
	Subsystem sftp internal-sftp
END
touch "$lab/$name.ready"
exec /usr/sbin/sshd -D -e -f /run/sshd_config
