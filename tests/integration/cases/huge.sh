# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Huge pages in the guest.

# The guest reserves as many as the container's limit, and the VM gets additional memory for them.
test_huge_pages_are_set_aside() {
	lab_spec "$LAB/huge.json" '["sh","-c","grep HugePages_Total /proc/meminfo | tr -s \" \""]'
	sed -i 's|"linux":{|&"resources":{"hugepageLimits":[{"pageSize":"2MB","limit":8388608},{"pageSize":"1GB","limit":0}]},|' \
		"$LAB/huge.json"
	expect pages "$(run --config "$LAB/huge.json" "$(lab_id)")" "HugePages_Total: 4"
}
