# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # out, log, project: of matrix.sh
#
# Sourced by matrix.sh: OpenCL runtimes for the processor that Debian's release does not have.

# foreign_root NAME RELEASE ARCHITECTURE PACKAGE...: packages of a Debian release, and what they
# need, unpacked into a folder of that name; nothing is installed. Prints the folder.
foreign_root()
{
    local suite=$2 arch=$3 dir=$out/roots/$1 uri options package
    shift 3
    if [ -f "$dir/complete" ]; then
        echo "$dir/root"
        return
    fi
    command -v apt-get >/dev/null || return 1
    uri=$(. /etc/os-release &&
        apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' \
            'Identifier: Packages' | awk -v release="$VERSION_CODENAME" \
            '$2 == release && $3 == "main" { print $1; exit }')
    [ -n "$uri" ] || return 1
    rm -rf "$dir"
    mkdir -p "$dir"/apt/{lists,cache/archives}/partial "$dir"/root/usr/{bin,sbin,lib,lib64}
    ln -s usr/bin usr/sbin usr/lib usr/lib64 "$dir/root/"
    : >"$dir/apt/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" \
        >"$dir/apt/sources.list"
    options=(-q -y -o "Dir::Etc::SourceList=$dir/apt/sources.list"
             -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$dir/apt/lists"
             -o "Dir::State::Status=$dir/apt/status" -o "Dir::Cache=$dir/apt/cache"
             -o "APT::Architecture=$arch" -o "APT::Architectures=$arch"
             -o APT::Install-Recommends=false)
    apt-get "${options[@]}" update >>"$log" 2>&1 || return 1
    apt-get "${options[@]}" -d install "$@" >>"$log" 2>&1 || return 1
    for package in "$dir"/apt/cache/archives/*.deb; do
        # Through tar, which follows the links to usr/ as the system itself does.
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$dir/root" --keep-directory-symlink \
            --no-same-owner >>"$log" 2>&1 || return 1
    done
    rm -rf "$dir/apt/cache"
    touch "$dir/complete"
    echo "$dir/root"
}

# A newer PoCL brings a newer C library along: its tests run with that root as theirs.
cell_pocl_new()
{
    local root version
    if ! unshare -m true 2>/dev/null; then
        skips "a root of its own needs the right to mount: run this as root"
        return
    fi
    root=$(foreign_root pocl-new sid amd64 pocl-opencl-icd ocl-icd-libopencl1 libcjson1 \
        libsndfile1 libprotobuf-c1 libsubunit0 libespeak-ng1 libclblast1 binutils) || {
        skips "the packages cannot be had"
        return
    }
    version=$(basename "$(find "$root/usr/lib" -name 'libpocl.so.*' | sort | tail -n 1)")
    export OCL_ICD_VENDORS=/etc/OpenCL/vendors/pocl.icd
    build_and_check gcc --wrapper "$project/tools/matrix/inside.sh $root" --timeout-multiplier 4 \
        --suite opencl
    reason+=" ($version)"
}

# The packages of Intel's runtime stand in a virtual environment, whose libraries find each other.
cell_intel()
{
    local venv=$out/intel library
    if [ ! -f "$venv/complete" ]; then
        rm -rf "$venv"
        if ! python3 -m venv "$venv" >>"$log" 2>&1 ||
            ! "$venv/bin/pip" install -q intel-opencl-rt intel-cmplr-lib-rt >>"$log" 2>&1; then
            skips "the package index does not give it: $(tail -n 1 "$log")"
            return
        fi
        touch "$venv/complete"
    fi
    library=$(find "$venv" -name 'libintelocl.so' | head -n 1)
    [ -n "$library" ] || { skips "the package has no libintelocl.so"; return; }
    mkdir -p "$venv/vendors"
    echo "$library" >"$venv/vendors/intel.icd"
    export OCL_ICD_VENDORS=$venv/vendors
    build_and_check gcc --timeout-multiplier 4 --suite opencl --suite gpu-kernels
    reason+=" ($("$venv/bin/pip" list 2>/dev/null | awk '/^intel-opencl-rt/ { print $1, $2 }'))"
}
