# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Limits that are set on a container's control group in the guest and take effect there.

limits_spec() { # FILE SCRIPT RESOURCES: a specification whose script can read its control group
	core_spec "$1" "$2" "s|\"linux\":{|&\"resources\":{$3},|" \
		's|"source":"sysfs","options":\["ro"\]}|&,{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro"]}|'
}

# A container that has reached its limit cannot start more processes, and goes on.
test_limit_of_processes() {
	local said
	limits_spec "$LAB/limits.json" 'cat /sys/fs/cgroup/pids.max; for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo alive' \
		'"pids":{"limit":5}'
	said=$(run --config "$LAB/limits.json" "$(lab_id)" 2>&1) || true
	has "the limit" "$said" '^5'
	has "the one too many" "$said" "can't fork"
	rm "$LAB/limits.json"
}

# The guest reserves the huge pages of its containers' limits, and each container can use only its own.
test_limit_of_huge_pages() {
	limits_spec "$LAB/limits.json" 'cat /sys/fs/cgroup/hugetlb.2MB.max; grep -o \"HugePages_Total.*[0-9]\" /proc/meminfo | tr -d \" \"' \
		'"hugepageLimits":[{"pageSize":"2MB","limit":6291456}]'
	expect "limit and pages" "$(run --config "$LAB/limits.json" "$(lab_id)" 2>&1 | tr '\r\n' '  ' | tr -s ' ')" '6291456 HugePages_Total:3 '
	rm "$LAB/limits.json"
}
