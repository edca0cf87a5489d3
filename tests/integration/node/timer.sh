# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2154
# A simulated host with a real systemd (host.sh) that upgrades itself: the timer is systemd's own, not a stand-in as in
# tests/scenario/timer.sh.

# Starts the host with no other units than these: a timer has dependencies by default, and the machine's own units of
# those names would start whatever the machine has, such as the one that cleans /tmp.
timer_host() {
	local target
	host_files
	touch "$LAB/host/pod.log"
	for target in sysinit basic timers shutdown time-set time-sync network-online; do
		printf '[Unit]\nDefaultDependencies=no\n' >"$LAB/host/units/$target.target"
	done
	host_boot 'for place in /usr/lib/systemd/system /etc/systemd/system /var/cache; do
			mount -t tmpfs -o mode=0755 tmpfs "$place"
		done
		mkdir /run/systemd/system/kata-deploy-upgrade.timer.d
		printf "[Timer]\nAccuracySec=1s\n" >/run/systemd/system/kata-deploy-upgrade.timer.d/soon.conf'
}

timer_unit() { in_systemd systemctl "$1" "kata-deploy-upgrade.$2"; }
timer_current() { readlink "$LAB/host/opt/kata/current"; }
timer_rests() { [ "$(in_systemd systemctl show --property=ActiveState kata-deploy-upgrade.service)" = ActiveState=inactive ]; }
timer_upgraded() { [[ $(timer_current) == "generations/$(host_next)-"* ]]; }
timer_journal() { [ -e "$LAB/host/opt/kata/state/journal" ]; }

test_a_timer_that_systemd_starts() {
	local before
	systemd_can || return 0
	timer_host
	before=$(host_digest)
	cp -a "$one" "$LAB/channel"
	in_systemd "$portable" install --yes --quiet --release "$LAB/channel" --key "$one/development.pub"
	in_systemd /opt/kata/bin/kata-deploy timer enable --window '*:*:00/15' --jitter 1s
	expect "the timer" "$(timer_unit is-active timer)" active
	has "the next window" "$(in_systemd /opt/kata/bin/kata-deploy timer status)" "next *[A-Z][a-z][a-z] 20"

	# A stop in the middle of an upgrade completes or undoes it.
	cp -a "$two" "$LAB/next"
	mv "$LAB/channel" "$LAB/last"
	mv "$LAB/next" "$LAB/channel"
	in_systemd systemctl start --no-block kata-deploy-upgrade.service
	host_until 60 eval 'timer_journal || timer_upgraded'
	timer_unit stop service
	expect "the journal" "$(find "$LAB/host/opt/kata/state" -name journal)" ""

	host_until 300 timer_upgraded
	host_until 120 timer_rests
	expect "the service" "$(in_systemd systemctl show --property=Result kata-deploy-upgrade.service)" Result=success
	expect "starts of containerd" "$(host_starts)" 2
	expect "the timer" "$(timer_unit is-active timer)" active

	in_systemd /opt/kata/bin/kata-deploy uninstall --yes --quiet --forget-trust
	expect "the host" "$(host_digest)" "$before"
	expect "units" "$(in_systemd find /etc/systemd/system -name 'kata*')" ""
	expect "timers" "$(in_systemd systemctl list-timers --all --no-legend)" ""
	host_stop
}
