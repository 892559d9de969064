#!/bin/sh
# SPDX-License-Identifier: MIT
# kernels.sh CL_DIR: clang parses every room's kernels as OpenCL C 1.2, with what the library puts
# before them; with floats, with halves, and for a device that computes in halves.
set -u

command -v clang >/dev/null || { echo "clang not found"; exit 77; }
cd "$1" || exit 1

failed=0
found=0
for file in *.cl; do
    case $file in '*.cl' | common.cl) continue ;; esac
    found=1
    parse() {
        clang -x cl -cl-std=CL1.2 -Xclang -finclude-default-header -fsyntax-only -Wall -Wextra \
            -Wno-missing-prototypes -Wno-unused-function -Wno-sign-compare -Werror \
            -include dims.h -include exact.h -include common.cl "$@" "$file" || failed=1
    }
    parse
    ! grep -q '[XWY]_TYPE' "$file" || parse -DX_HALF=1 -DW_HALF=1 -DY_HALF=1
    ! grep -q 'X_INT' "$file" || parse -DX_INT=1
    grep -q 'cl_khr_fp16 : enable' "$file" || continue
    for target in spir64 amdgcn-amd-amdhsa nvptx64; do
        parse -target $target -nogpulib -Xclang -cl-ext=+cl_khr_fp16 \
            -DX_HALF=1 -DW_HALF=1 -DY_HALF=1 -DHALF_SUMS=1
    done
done
[ $found = 1 ] || { echo "no kernels in $1"; exit 77; }
exit $failed
