#!/bin/sh
# SPDX-License-Identifier: MIT
#
# leaks.sh COMMAND...: run a test that LeakSanitizer watches, and again where that fell over itself:
# when it looks through a process while OpenCL's threads end, what it reads may just have gone.
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
for _ in 1 2 3; do
    "$@" 2>"$log"
    code=$?
    cat "$log" >&2
    [ $code != 0 ] || break
    grep -q 'LeakSanitizer has encountered a fatal error' "$log" || break
done
exit "$code"
