# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Limits of a container that its own control group in the guest has, and that hold there.

limits_spec() { # FILE SCRIPT RESOURCES: with the control group to look at
	core_spec "$1" "$2" "s|\"linux\":{|&\"resources\":{$3},|" \
		's|"source":"sysfs","options":\["ro"\]}|&,{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro"]}|'
}

# Too many processes are not begun; the container goes on.
test_limit_of_processes() {
	local said
	limits_spec "$LAB/limits.json" 'cat /sys/fs/cgroup/pids.max; for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo alive' \
		'"pids":{"limit":5}'
	said=$(run --config "$LAB/limits.json" "$(lab_id)" 2>&1) || true
	has "the limit" "$said" '^5'
	has "the one too many" "$said" "can't fork"
	rm "$LAB/limits.json"
}

# The guest sets the pages aside that its containers may have, and each container has no more than its own.
test_limit_of_huge_pages() {
	limits_spec "$LAB/limits.json" 'cat /sys/fs/cgroup/hugetlb.2MB.max; grep -o \"HugePages_Total.*[0-9]\" /proc/meminfo | tr -d \" \"' \
		'"hugepageLimits":[{"pageSize":"2MB","limit":6291456}]'
	expect "limit and pages" "$(run --config "$LAB/limits.json" "$(lab_id)" 2>&1 | tr '\r\n' '  ' | tr -s ' ')" '6291456 HugePages_Total:3 '
	rm "$LAB/limits.json"
}
