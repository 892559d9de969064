#!/bin/sh
# SPDX-License-Identifier: MIT
# oclgrind.sh OCLGRIND [OPTION...] TEST: run a test under Oclgrind; fail when it fails or when
# Oclgrind has anything to say, since that alone does not change the exit status.
set -u

oclgrind=$1
shift
log=$(mktemp) || exit 99
trap 'rm -f "$log"' EXIT

# Every context opens the log anew and would empty a plain file, so the log goes through a pipe.
status=$({ {
    "$oclgrind" --log /dev/fd/4 --max-errors 20 "$@" 4>&5 >&2
    echo $? >&3
} 5>&1 | cat >"$log"; } 3>&1)

if [ -s "$log" ]; then
    cat "$log" >&2
    exit 1
fi
exit "${status:-99}"
