#!/bin/bash
# SPDX-License-Identifier: MIT
#
# setup.sh demo|test|matrix: install what the demo, the tests or matrix.sh need and this machine
# lacks. It says what and why first, asks nothing, and does nothing when all is there.
#
# Debian and its kin only; elsewhere it checks, and names what is missing.
set -euo pipefail

# Each row: must (or may: done without where it does not exist), for whom, package, probe, why.
# A probe finds the same thing however it was installed: a command, a pkg-config module, a C
# header, a shared library, an OpenCL driver's file or any file.
table='
must demo gcc                   cmd:cc                    C compiler
must demo libc6-dev             header:stdio.h            C library headers
must demo meson                 cmd:meson                 build system
must demo ninja-build           cmd:ninja                 build system
must demo pkg-config            cmd:pkg-config            finds the libraries below
must demo python3               cmd:python3               embeds the kernels at build time
must demo ocl-icd-opencl-dev    pc:OpenCL                 OpenCL loader
must demo opencl-c-headers      header:CL/cl.h            OpenCL headers
must demo libsndfile1-dev       pc:sndfile                reads and writes sound files
must demo libcjson-dev          pc:libcjson               reads configurations of voices
must demo libprotobuf-c-dev     pc:libprotobuf-c          reads ONNX voices
must demo protobuf-c-compiler   cmd:protoc-c              reads ONNX voices
must demo libespeak-ng1         lib:libespeak-ng.so.1     text to phonemes
may  demo libclblast-dev        pc:clblast                matrix products on some devices
must test gcc                   cmd:gcc                   builds with gcc and its sanitizers
must test clang                 cmd:clang                 builds with clang; parses the kernels
must test check                 pc:check                  unit tests
must test pocl-opencl-icd       icd:pocl                  OpenCL device on which the tests run
may  test mesa-opencl-icd       icd:rusticl               another OpenCL compiler (llvmpipe)
may  test oclgrind              cmd:oclgrind              OpenCL simulator that checks every access
may  test valgrind              cmd:valgrind              checks every access of the host
may  matrix qemu-user             cmd:qemu-aarch64          runs programs for AArch64
may  matrix gcc-aarch64-linux-gnu cmd:aarch64-linux-gnu-gcc compiles them
may  matrix libc6-dev-arm64-cross file:/usr/aarch64-linux-gnu/include/stdio.h compiles them
may  matrix intel-opencl-icd      cmd:ocloc                 compiles kernels for Intel GPUs
may  matrix clang-15              cmd:clang-15              compiles kernels for AMD and NVIDIA GPUs
may  matrix rocm-device-libs      file:/usr/lib/x86_64-linux-gnu/amdgcn/bitcode/ocml.bc for AMD GPUs
may  matrix libclc-15             file:/usr/lib/clc/nvptx64--nvidiacl.bc for NVIDIA GPUs
may  matrix clang-14              cmd:clang-14              compiles kernels to SPIR-V
may  matrix llvm-spirv-14         cmd:llvm-spirv-14         compiles kernels to SPIR-V
may  matrix spirv-tools           cmd:spirv-val             validates SPIR-V
may  matrix python3-venv          file:/usr/lib/python3*/ensurepip/__init__.py gets OpenCL runtimes
'

# Whether an OpenCL device can be used at all: a loader, a driver and a device behind it.
device_found()
{
    # A driver that aborts is one without a device: the shell need not tell.
    {
        timeout 60 python3 - <<'END'
import ctypes, sys
cl = ctypes.CDLL("libOpenCL.so.1")
platforms = (ctypes.c_void_p * 16)()
n = ctypes.c_uint(0)
if cl.clGetPlatformIDs(16, platforms, ctypes.byref(n)) != 0:
    sys.exit(1)
for platform in platforms[:min(n.value, 16)]:
    devices = ctypes.c_uint(0)
    every_type = ctypes.c_ulong(0xFFFFFFFF)
    if cl.clGetDeviceIDs(ctypes.c_void_p(platform), every_type, 0, None,
                         ctypes.byref(devices)) == 0 and devices.value:
        sys.exit(0)
sys.exit(1)
END
    } 2>/dev/null
}

probe()
{
    local what=${1#*:}
    case $1 in
    cmd:*) command -v "$what" >/dev/null ;;
    pc:*) pkg-config --exists "$what" 2>/dev/null ;;
    header:*) echo "#include <$what>" | cc -fsyntax-only -x c - 2>/dev/null ;;
    lib:*) [[ $(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null) == *"$what "* ]] ;;
    icd:*) grep -qsF "$what" "${OCL_ICD_VENDORS:-/etc/OpenCL/vendors}"/*.icd ;;
    file:*) compgen -G "$what" >/dev/null ;;
    device:*) device_found ;;
    esac
}

debian()
{
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null
}

installed()
{
    debian && [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The rows of the table on standard input whose package and whose substitutes are both absent.
missing()
{
    local need whom package what why
    while read -r need whom package what why; do
        if [ -n "$need" ] && ! probe "$what" && ! installed "$package"; then
            echo "$need $whom $package $what $why"
        fi
    done
}

show()
{
    local need package why
    while read -r need _ package _ why; do
        printf '  %-22s %s%s\n' "$package" "$why" "$([ "$need" = must ] || echo ' (optional)')" >&2
    done
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

apt_get()
{
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -y -q \
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" \
        >>"$log" 2>&1 </dev/null
}

has_candidate()
{
    [[ $(LC_ALL=C apt-cache policy "$1" 2>/dev/null) == *"Candidate: "[!\(]* ]]
}

# Drop the optional rows that this release does not have.
existing()
{
    local need rest
    while read -r need rest; do
        # shellcheck disable=SC2086 # the words of the row
        set -- $rest
        if [ "$need" = may ] && ! has_candidate "$2"; then
            echo "setup: $2 is not in this release; going on without it" >&2
        else
            echo "$need $rest"
        fi
    done
}

install()
{
    local rows=$1 packages command
    mapfile -t packages < <(awk '{ print $3 }' <<<"$rows")
    command="apt-get install --no-install-recommends ${packages[*]}"

    if ! debian; then
        echo "setup: missing on this machine (by Debian's names):" >&2
        show <<<"$rows"
        if ! grep -q ^must <<<"$rows"; then
            return 0
        fi
        echo "setup: please install them with this system's own package manager" >&2
        return 1
    fi
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo)
        # A terminal lets sudo ask for its password; without one it must not need any.
        if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
            echo "setup: missing:" >&2
            show <<<"$rows"
            echo "setup: only root can install them, and sudo is not usable here; run as root:" >&2
            echo "  $command" >&2
            return 1
        fi
    fi

    for package in "${packages[@]}"; do
        if ! has_candidate "$package"; then
            echo "setup: reading the lists of packages" >&2
            apt_get update || true
            break
        fi
    done
    rows=$(existing <<<"$rows")
    [ -n "$rows" ] || return 0
    mapfile -t packages < <(awk '{ print $3 }' <<<"$rows")
    echo "setup: installing" >&2
    show <<<"$rows"
    apt_get install --assume-no --no-install-recommends "${packages[@]}" || true
    sed -n 's/^Need to get \(.*\) of archives.*/setup: downloads \1, then unpacks; please wait/p' \
        "$log" >&2

    for try in 1 2 3 4; do
        : >"$log"
        if apt_get install --no-install-recommends "${packages[@]}"; then
            return 0
        fi
        [ $try = 4 ] || echo "setup: that failed (try $try of 4); reading the lists again" >&2
        sleep $((try * 3))
        apt_get update || true
    done
    tail -n 20 "$log" >&2
    echo "setup: could not install the packages; the end of apt's own report is above" >&2
    return 1
}

# Install what a table lacks, then look again.
ensure()
{
    local rows
    rows=$(missing <<<"$1")
    [ -n "$rows" ] || return 0
    install "$(awk '!seen[$3]++' <<<"$rows")" || exit 1
    rows=$(missing <<<"$1" | grep ^must || true)
    if [ -n "$rows" ]; then
        echo "setup: still not usable:" >&2
        show <<<"$rows"
        exit 1
    fi
}

case ${1-} in
demo)
    ensure "$(grep -E '^(must|may) +demo ' <<<"$table")"
    ensure 'must demo pocl-opencl-icd device: an OpenCL device, as none was found: the processor'
    ;;
test)
    ensure "$(grep -vE '^(must|may) +matrix ' <<<"$table")"
    ;;
matrix)
    ensure "$table"
    ;;
*)
    echo "usage: setup.sh demo|test|matrix" >&2
    exit 2
    ;;
esac
