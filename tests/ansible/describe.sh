#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints names, modes, owners, links and contents of everything below directories. describe.sh DIR...
find "$@" -printf '%p %y %m %U:%G %l\n' | LC_ALL=C sort
find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum
