#!/bin/bash
# SPDX-License-Identifier: MIT
#
# emulated.sh ROOT TOOLS PROGRAM...: run a program for AArch64 with ROOT's libraries and PoCL. TOOLS
# has a linker for it called ld.
set -euo pipefail
root=$1
tools=$2
if [ -z "${CLVITS_INSIDE-}" ]; then
    CLVITS_INSIDE=1 exec unshare -m "$0" "$@"
fi
shift 2
# The emulator looks for files in ROOT when they are opened, but not when they are asked about.
mkdir -p /usr/share/pocl
mount --bind "$root/usr/share/pocl" /usr/share/pocl
export PATH=$tools:$PATH OCL_ICD_VENDORS=$root/etc/OpenCL/vendors/pocl.icd
exec qemu-aarch64 -L "$root" "$@"
