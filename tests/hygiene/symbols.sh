#!/bin/sh
# SPDX-License-Identifier: MIT
# symbols.sh LIBRARY: the shared library exports what starts with clvits_, and nothing else.
set -u

names=$(nm -D --defined-only "$1") || exit 1
names=$(printf '%s\n' "$names" | awk '$2 != "A" { print $3 }')
if ! printf '%s\n' "$names" | grep -q '^clvits_'; then
    echo "$1 exports no clvits_ symbol"
    exit 1
fi
if printf '%s\n' "$names" | grep -v '^clvits_'; then
    echo "^ exported by $1 without the prefix clvits_"
    exit 1
fi
