#!/bin/sh
# SPDX-License-Identifier: MIT
# install.sh BUILD PREFIX LIBDIR HEADER: what is installed, moved elsewhere, is enough to compile
# the program in the header's first comment, and for it and the installed one to speak.
set -eu

build=$1 prefix=$2 libdir=$3 header=$4
command -v pkg-config >/dev/null || { echo "pkg-config not found"; exit 77; }
unset LD_LIBRARY_PATH # of the build
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail()
{
    echo "$1"
    exit 1
}

meson install -C "$build" --no-rebuild --quiet --destdir "$work/stage"
# Away from where it was installed to, as a package or an archive is unpacked.
mv "$work/stage$prefix" "$work/moved"
root=$work/moved
shared=$root/$libdir
mkdir "$work/static"
ln -s "$shared/libclvits.a" "$work/static/"

awk '/^ \*     / { print substr($0, 8); seen = 1; next } seen && /^ \*$/ { print ""; next }
     seen { exit }' "$header" >"$work/program.c"
[ "$(wc -l <"$work/program.c")" -gt 15 ] || fail "no program in $header"

export PKG_CONFIG_PATH="$shared/pkgconfig"
flags()
{
    pkg-config --define-variable=prefix="$root" "$@" clvits
}
# shellcheck disable=SC2046 # flags are words
compile()
{
    ${CC:-cc} -std=c99 -Wall -Wextra -Werror -o "$1" "$work/program.c" $(flags --cflags) $2 \
        $(flags --libs) $3
}
compile "$work/with_shared" "" ""
# What the static library needs may itself be shared.
needs=$(flags --print-requires-private)
compile "$work/with_static" "-L$work/static" "$(pkg-config --libs $needs) -lm -ldl -pthread"

# No OpenCL driver: the CPU path speaks.
export OCL_ICD_VENDORS="$work/none"
speaks()
{
    said=$("$@") || return 1
    case $said in
    *': '[0-9]*' s') echo "$said" | grep -qv ' 0\.00 s' ;;
    *) return 1 ;;
    esac
}
LD_LIBRARY_PATH=$shared "$work/with_shared" >/dev/null || fail "linked with the shared library"
LD_LIBRARY_PATH=$shared speaks "$work/with_shared" || fail "the shared library says nothing"
! ldd "$work/with_static" | grep -q libclvits || fail "linked with the wrong library"
CLVITS_VOICES=$root/share/clvits/voices speaks "$work/with_static" ||
    fail "the static library says nothing"
"$root/bin/clvits" speak -o "$work/out.wav" "Hello." 2>/dev/null || fail "the program says nothing"
[ -s "$work/out.wav" ] || fail "the program wrote nothing"
"$root/bin/clvits-bench" -d cpu -q -s 0.005 -l operator -f flip/ -j "$work/out.json" >/dev/null ||
    fail "the installed bench does not run"
(cd "$work" && "$root/bin/clvits-bench" report out.json -o out.html >/dev/null) ||
    fail "the installed bench makes no page"

# It was the installed voice that spoke, although the source tree has it as well.
: >"$root/share/clvits/voices/mini/config.json"
if LD_LIBRARY_PATH=$shared "$work/with_shared" >/dev/null 2>&1; then
    fail "the installed library spoke with another voice than its own"
fi
