# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The rights of a process that is not root and has one capability.

# An executed program keeps only the ambient capabilities of its user.
test_ambient_capabilities_are_the_workloads() {
	local given='"bounding":["CAP_CHOWN","CAP_KILL"],"permitted":["CAP_CHOWN","CAP_KILL"],"inheritable":["CAP_CHOWN"],"effective":["CAP_CHOWN"]'
	local script='grep Cap /proc/self/status; chown 5:6 /dev/shm/x 2>/dev/null; stat -c %u:%g /dev/shm/x; sh -c \"grep CapEff /proc/self/status\"'
	local ambient
	for ambient in '"ambient":["CAP_CHOWN"]' '"ambient":[]'; do
		core_spec "$LAB/rights.json" "touch /dev/shm/x; $script" 's|"uid":0,"gid":0|"uid":1000,"gid":1000|' \
			"s|\"process\":{|&\"capabilities\":{$given,$ambient},|" \
			's|"source":"sysfs","options":\["ro"\]}|&,{"destination":"/dev/shm","type":"tmpfs","source":"shm","options":["mode=1777"]}|'
		both "$LAB/rights.json" >"$LAB/rights"
		case $ambient in
		*CHOWN*)
			has "ambient" "$(<"$LAB/rights")" 'CapAmb:.0000000000000001'
			has "its chown" "$(<"$LAB/rights")" '^5:6'
			;;
		*) has "its chown" "$(<"$LAB/rights")" '^1000:1000' ;;
		esac
	done
	rm "$LAB/rights" "$LAB/rights.json"
}
