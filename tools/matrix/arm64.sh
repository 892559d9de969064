# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # variables of matrix.sh
#
# Sourced by matrix.sh: the library for AArch64, under an emulator of its instructions.

# Every instruction is emulated, and PoCL compiles under the emulator too: few tests, tiny ones.
cell_arm64()
{
    local root dir=$out/arm64 triple=aarch64-linux-gnu slow tool
    for tool in $triple-gcc qemu-aarch64; do
        command -v $tool >/dev/null || { skips "$tool is not installed"; return; }
    done
    if ! unshare -m true 2>/dev/null; then
        skips "PoCL's own folder has to be mounted: run this as root"
        return
    fi
    root=$(. /etc/os-release && foreign_root arm64 "$VERSION_CODENAME" arm64 pocl-opencl-icd \
        ocl-icd-opencl-dev opencl-c-headers libcjson-dev libsndfile1-dev libprotobuf-c-dev \
        libespeak-ng1 check libc6-dev) || { skips "the packages cannot be had"; return; }
    mkdir -p "$dir-tools"
    # Debian 12's compiler breaks down over loops of the tests when it vectorises.
    cat >"$dir-tools/cross.ini" <<END
[binaries]
c = '$triple-gcc'
ar = '$triple-ar'
strip = '$triple-strip'
pkgconfig = 'pkg-config'
exe_wrapper = ['$project/tools/matrix/emulated.sh', '$root', '$dir-tools']
[properties]
sys_root = '$root'
pkg_config_libdir = '$root/usr/lib/$triple/pkgconfig:$root/usr/share/pkgconfig'
[built-in options]
c_args = ['--sysroot=$root', '-fno-tree-loop-vectorize']
c_link_args = ['--sysroot=$root']
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
END
    # PoCL's compiler calls the linker by this name.
    printf '#!/bin/sh\nexec %s-ld -L/usr/lib/gcc-cross/%s/12 -L/usr/%s/lib "$@"\n' $triple $triple \
        $triple >"$dir-tools/ld"
    chmod +x "$dir-tools/ld"
    options=(--cross-file "$dir-tools/cross.ini")
    export CLVITS_TEST_TINY=1 CK_TIMEOUT_MULTIPLIER=20
    unset OCL_ICD_VENDORS
    build arm64 gcc "${options[@]}" || { fails "the build"; return; }
    # One test holds the reader to seconds, which the emulator takes; of the model's tests that look
    # at more than numbers, PoCL's compiler would take hours here.
    slow='batch|cache|first_audio|listen|malloc|placement|precision|queue|replay|replay_speech'
    slow+='|streaming|threads|trace|trust|tune|warm'
    mapfile -t wanted < <(meson test -C "$dir" --list --suite files --suite cpu-path 2>/dev/null |
        sed -n 's/.* //p' | grep -vxE "torch-pickles|($slow)-cpu-path")
    build_and_check arm64 --timeout-multiplier 20 "${wanted[@]}" \
        {align,embedding,move,norm,spline}-opencl
}
