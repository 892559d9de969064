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

# newer_root NAME RELEASE PACKAGE: a runtime of a newer Debian with what the tests load, as it
# brings a newer C library along: tests run with that root as theirs. Prints the folder, or says why
# not.
newer_root()
{
    if ! unshare -m true 2>/dev/null; then
        echo "a root of its own needs the right to mount: run this as root"
        return 1
    fi
    foreign_root "$1" "$2" amd64 "$3" ocl-icd-libopencl1 libcjson1 libsndfile1 libprotobuf-c1 \
        libsubunit0 libespeak-ng1 libclblast1 binutils || {
        echo "the packages cannot be had"
        return 1
    }
}

# What a package of such a root is, by the first line of its list of changes.
version_in() { zcat "$1/usr/share/doc/$2/changelog.Debian.gz" | sed -n '1s/ (\(.*\)).*/ \1/p'; }

# tests_in ROOT PACKAGE TEST OPTION...
tests_in()
{
    build_and_check gcc --wrapper "$project/tools/matrix/inside.sh $1" --timeout-multiplier 4 \
        "${@:3}"
    reason+=" ($(version_in "$1" "$2"))"
}

cell_pocl_new()
{
    local root
    root=$(newer_root pocl-new sid pocl-opencl-icd) || { skips "$root"; return; }
    export OCL_ICD_VENDORS=/etc/OpenCL/vendors/pocl.icd
    tests_in "$root" pocl-opencl-icd --suite opencl
}

# From Mesa 25 on Rusticl has half arithmetic, on processors as well, where it is asked for: every
# operator's test, and those of models that run in halves or have operators of their own. The others
# look at the host's part, or at kernels for CPUs, and take llvmpipe minutes.
cell_rusticl_new()
{
    local root
    root=$(newer_root rusticl-new trixie mesa-opencl-icd) || { skips "$root"; return; }
    export OCL_ICD_VENDORS=/etc/OpenCL/vendors/rusticl.icd RUSTICL_ENABLE=llvmpipe
    export RUSTICL_FEATURES=fp16 CLVITS_TEST_DEVICE=llvmpipe
    tests_in "$root" mesa-opencl-icd \
        {align,attention,conv1d,conv_transpose1d,discriminators,embedding,flow,halves}-opencl \
        {loss,matmul,model,move,norm,pointwise,posterior,precision,prior,random,reduce}-opencl \
        {search,segment,separable,spectrogram,spline}-opencl
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
