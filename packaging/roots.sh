#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Prints a C file with the certificates of this machine's ca-certificates, for programs that run on machines without
# any.
set -euo pipefail
bundle=${1:-/etc/ssl/certs/ca-certificates.crt}
[ -r "$bundle" ] || {
	echo "roots: $bundle does not exist; install ca-certificates" >&2
	exit 1
}
echo '#include "http/roots.h"'
echo 'const unsigned char http_roots[] = {'
od -An -v -tx1 "$bundle" | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
echo '0 };'
echo 'const size_t http_roots_len = sizeof(http_roots) - 1;'
