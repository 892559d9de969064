#!/bin/bash
# SPDX-License-Identifier: MIT
#
# inside.sh ROOT COMMAND...: run a command with another folder as the root of files, in which the
# project, /proc, /dev and /tmp are where they are outside.
set -euo pipefail
root=$1
project=$(cd "$(dirname "$0")/../.." && pwd)
shift
if [ -z "${CLVITS_INSIDE-}" ]; then
    CLVITS_INSIDE=1 exec unshare -m "$0" "$root" "$@"
fi
for folder in /proc /sys /dev /tmp "$project"; do
    mkdir -p "$root$folder"
    mount --rbind "$folder" "$root$folder"
done
exec unshare --root="$root" --wd="$PWD" "$@"
