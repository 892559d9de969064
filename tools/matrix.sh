#!/bin/bash
# SPDX-License-Identifier: MIT
#
# matrix.sh [--quick] [--list] [--rows FOLDER] [--write FILE] [CELL...]: run the tests on every
# OpenCL runtime, under every checker and through every offline compiler that this machine has or
# can install, and end with a table: a line for each cell, passed, failed, or skipped and why. The
# exit code is 1 when one failed.
#
# --quick installs only what test.sh needs and runs a few tests of each cell, in some minutes; the
# whole takes hours. CELLs choose lines of the table; --list names them. --write runs those that are
# named, or none, and puts the last result of every cell into FILE, between its lines
# <!-- matrix --> and <!-- /matrix -->. Results lie in build-matrix/rows, or in FOLDER; a cell that
# has none there, or an older one than in FILE, keeps that: the table grows over several machines.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
project=$PWD

# CELL|WHAT IT IS|QUICK
cells='
pocl|PoCL, as Debian has it: both families of kernels|quick
pocl-new|a newer PoCL|
intel|Intel'"'"'s OpenCL runtime for CPUs|
rusticl|Rusticl on llvmpipe|quick
rusticl-new|a newer Rusticl on llvmpipe, which computes in halves|
oclgrind-races|Oclgrind with a phone'"'"'s limits: data races|quick
oclgrind-reads|Oclgrind with a phone'"'"'s limits: uninitialised and out-of-bounds accesses|quick
faults|the fault layer: every call fails once|quick
mali|the fault layer, faking a Mali|
adreno|the fault layer, faking an Adreno|
none|no OpenCL at all: the CPU path|quick
arm64|AArch64 under qemu-user, with its own PoCL|
asan|AddressSanitizer and UBSan|quick
tsan|ThreadSanitizer|quick
valgrind|valgrind on one utterance|quick
soak|2,000 utterances of mixed voices, lengths and devices|
offline-intel|offline: Intel Gen9, Gen11, Xe-LP, Arc|quick
offline-amd|offline: AMD gfx90a, gfx1030, gfx1100|quick
offline-nvidia|offline: NVIDIA sm_75, sm_80, sm_86, sm_90|quick
offline-spirv|offline: SPIR-V, validated|quick
'

out=$project/build-matrix
rows=$out/rows
quick=
file=
chosen=()

# The table of a file, with the lines around it.
table_in() { sed -n '/^<!-- matrix -->$/,/^<!-- \/matrix -->$/p' "$1" 2>/dev/null; }

while [ $# -gt 0 ]; do
    word=$1
    shift
    case $word in
    -h | --help)
        sed -n 's/^# \{0,1\}//; 3,/^set/{/^set/d; p}' "$0"
        exit 0
        ;;
    --list)
        awk -F'|' 'NF == 3 { printf "%-16s%s%s\n", $1, $2, $3 == "" ? "" : " (also quick)" }' \
            <<<"$cells"
        exit 0
        ;;
    --quick) quick=1 ;;
    --rows)
        rows=${1-}
        shift
        if [ ! -d "$rows" ]; then
            echo "matrix: ${rows:-no name} is no folder" >&2
            exit 2
        fi
        ;;
    --write)
        file=${1-}
        shift
        if ! table_in "$file" | tail -n 1 | grep -q '^<!-- /matrix -->$'; then
            echo "matrix: ${file:-no file} has no lines <!-- matrix --> and <!-- /matrix -->" >&2
            exit 2
        fi
        ;;
    *)
        if ! grep -q "^$word|" <<<"$cells"; then
            echo "matrix: there is no cell $word; --list names them" >&2
            exit 2
        fi
        chosen+=("$word")
        ;;
    esac
done

# line_of CELL WHAT: its last result here as a line in Markdown. It has a file with two lines,
# CELL|WORD|SECONDS|QUICK|WHY and the day, which older files lack.
line_of()
{
    local word='not run' seconds='' in_short='' why='' day=''
    [ ! -f "$rows/$1" ] || {
        IFS='|' read -r _ word seconds in_short why
        read -r day
    } <"$rows/$1"
    printf '| `%s` | %s | %s%s%s | %s | %s |\n' "$1" "$2" "$word" "${in_short:+, in short}" \
        "${why:+: ${why//|/\\|}}" "${seconds:+$(((seconds + 59) / 60))}" "$day"
}

day_of() { sed 's/ |$//; s/.*| *//' <<<"$1"; }

# All that is known here or in a file with a table, the later of both.
write_table()
{
    local cell what line kept
    printf '| cell | what | result | minutes | day |\n|---|---|---|---:|---|\n'
    while IFS='|' read -r cell what _; do
        [ -n "$cell" ] || continue
        line=$(line_of "$cell" "$what")
        kept=$(table_in "$1" | grep -m 1 "^| \`$cell\` | ")
        if [ -n "$kept" ] &&
            { [ ! -f "$rows/$cell" ] || [[ $(day_of "$kept") > $(day_of "$line") ]]; }; then
            line="| \`$cell\` | $what | ${kept#| * | * | }"
        fi
        printf '%s\n' "$line"
    done <<<"$cells"
}

# The page as a whole, or what was there before; a link stays one.
write_file()
{
    local page written code
    page=$(realpath -- "$1") || return
    if [ ! -w "$page" ]; then # mv might ask whether to replace it
        echo "matrix: $1 cannot be written" >&2
        return 1
    fi
    written=$(mktemp -- "${page%/*}/.${page##*/}.XXXXXX.tmp") || return
    table=$(write_table "$1") awk '
        /^<!-- \/matrix -->$/ { skip = 0 }
        !skip
        /^<!-- matrix -->$/ { skip = 1; print ENVIRON["table"] }
    ' "$1" >"$written" && chmod --reference="$page" -- "$written" && mv -- "$written" "$page"
    code=$?
    rm -f "$written"
    return $code
}

if [ -n "$file" ] && [ ${#chosen[@]} = 0 ]; then
    write_file "$file"
    exit
fi
mkdir -p "$out" "$rows"
. tools/bare.sh
tools/setup.sh test || exit 1
[ -n "$quick" ] || tools/setup.sh matrix || exit 1

cores=$(nproc)
at_once=$((cores < 4 ? 2 : cores / 2))
pocl=/etc/OpenCL/vendors/pocl.icd
unset CLVITS_TEST_DEVICE CLVITS_TEST_FAMILY
export OCL_ICD_VENDORS=$pocl

# What a cell's function says of its end: a word, and why.
verdict=
reason=
passes() { verdict=pass reason=$1; }
fails() { verdict=FAIL reason=$1; }
skips() { verdict=skip reason=$1; }

# build NAME COMPILER [SETUP OPTION...]: a build folder with everything in it, configured when new,
# or when the options changed or what there is to test with.
build()
{
    local dir=$out/$1 state
    state="${*:2} $(type -P oclgrind valgrind) $(ls /etc/OpenCL/vendors 2>/dev/null)"
    if [ ! -f "$dir/build.ninja" ] || [ "$(cat "$dir/options" 2>/dev/null)" != "$state" ]; then
        rm -rf "$dir"
        CC=$2 meson setup "$dir" -Dwerror=true -Dtests=enabled "${@:3}" >"$log" 2>&1 || return 1
        echo "$state" >"$dir/options"
    fi
    ninja -C "$dir" >>"$log" 2>&1
}

# missing BUILD [TEST OPTION...]: the first test that is named but not there. Meson says nothing of
# it where there is another one.
missing()
{
    local word value='' listed
    listed=$(meson test -C "$out/$1" --no-rebuild --list "${@:2}" 2>/dev/null)
    for word in "${@:2}"; do
        if [ -n "$value" ]; then
            value=
            continue
        fi
        case $word in
        --suite | --wrapper | --timeout-multiplier) value=1 ;;
        *)
            if ! grep -q " / $word\$" <<<"$listed"; then
                echo "$word"
                return
            fi
            ;;
        esac
    done
}

# check BUILD [TEST OPTION...]: run tests, each cell with kernels of its own, and count.
check()
{
    local dir=$out/$1 counts none status
    none=$(missing "$@")
    if [ -n "$none" ]; then
        fails "there is no test $none"
        return
    fi
    rm -f "$dir/meson-logs/$cell"*.json
    POCL_CACHE_DIR=$out/cache/$cell/pocl CLVITS_CACHE=$out/cache/$cell/clvits \
        meson test -C "$dir" --no-rebuild --logbase "$cell" --num-processes "$at_once" \
        --print-errorlogs "${@:2}" </dev/null >>"$log" 2>&1
    status=$?
    # The log of a run in a wrapper has the wrapper's name behind the cell's.
    counts=$(python3 tools/results.py "$dir/meson-logs/$cell"*.json)
    case $status/$counts in
    */"0 0 "*) fails "no test ran" ;;
    0/*" 0 "*)
        passes "$(awk '{ print $1 " test" ($1 == 1 ? "" : "s") ($3 ? ", " $3 " skipped" : "") }' \
            <<<"$counts")"
        ;;
    */*" 0 "*) fails "meson ended with $status" ;;
    *) fails "$(awk '{ print $2 " of " $1 + $2 " tests" }' <<<"$counts")" ;;
    esac
}

build_and_check()
{
    mkdir -p "$out/cache/$cell/pocl" "$out/cache/$cell/clvits"
    if build "$1" gcc "${options[@]}"; then
        check "$1" "${@:2}"
    else
        fails "the build"
    fi
}

# in_short TEST... -- TEST OPTION...: the first ones in a quick run, else the second.
in_short()
{
    local short=()
    while [ "$1" != -- ]; do
        short+=("$1")
        shift
    done
    shift
    if [ -n "$quick" ]; then
        wanted=("${short[@]}")
    else
        wanted=("$@")
    fi
}

cell_pocl()
{
    in_short conv1d-opencl attention-opencl engine-opencl engine-gpu-kernels -- \
        --suite opencl --suite gpu-kernels
    build_and_check gcc "${wanted[@]}"
}

cell_rusticl()
{
    if [ ! -f /etc/OpenCL/vendors/rusticl.icd ]; then
        skips "mesa-opencl-icd is not installed"
        return
    fi
    in_short conv1d-rusticl attention-rusticl spline-rusticl -- --suite rusticl
    build_and_check gcc "${wanted[@]}"
}

oclgrind()
{
    type -P oclgrind >/dev/null || { skips "oclgrind is not installed"; return; }
    build gcc gcc || { fails "the build"; return; }
    # All cases of a room, also where every day has a part of them.
    local suites=(--suite oclgrind --suite slow)
    mapfile -t wanted < <(meson test -C "$out/gcc" --list "${suites[@]}" 2>/dev/null |
        sed -n "s/.* \([a-z0-9_-]*oclgrind-$1\(-all\)\?\)\$/\1/p" |
        awk '{ names[$0] } END { for (n in names) if (!(n "-all" in names)) print n }' |
        grep -E "${quick:+^(align|embedding|move|spline)-}" || true)
    if [ ${#wanted[@]} = 0 ]; then
        fails "none of its tests is in the build"
        return
    fi
    build_and_check gcc "${suites[@]}" "${wanted[@]}"
}

cell_oclgrind_races() { oclgrind races; }
cell_oclgrind_reads() { oclgrind reads; }

cell_faults()
{
    in_short faults malloc-opencl -- --suite opencl --suite slow faults malloc-all-opencl \
        malloc-all-cpu-path trust-barrier \
        faults-{any,argument,buffer,build,context,copy,fill,finish,flush,kernel,launch,program} \
        faults-{proven,queue,read,rechecked,record,recorded,write}
    build_and_check gcc "${wanted[@]}"
}

cell_mali() { build_and_check gcc --suite slow faults-like-mali; }
cell_adreno() { build_and_check gcc --suite slow faults-like-adreno; }
cell_soak() { build_and_check gcc --suite slow soak; }

cell_asan()
{
    local options=(--buildtype=debugoptimized "-Db_sanitize=address,undefined")
    in_short voice-file conv1d-cpu-path engine-cpu-path -- --suite files --suite program \
        --suite cpu-path --suite cpu-baseline --suite opencl
    ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 CK_TIMEOUT_MULTIPLIER=4 \
        UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 CLVITS_TEST_TINY=1 \
        LSAN_OPTIONS=suppressions=$project/tests/lsan.supp:print_suppressions=0 \
        build_and_check sanitize --wrapper "$project/tests/leaks.sh" --timeout-multiplier 4 \
        "${wanted[@]}"
}

cell_tsan()
{
    local options=(--buildtype=debugoptimized -Db_sanitize=thread)
    in_short threads-cpu-path -- --suite cpu-path --suite opencl --suite slow engine-cpu-path \
        engine-opencl faults queue-cpu-path replay_speech-opencl threads-cpu-path threads-opencl \
        threads-often-cpu-path threads-often-opencl
    TSAN_OPTIONS=halt_on_error=1 CK_TIMEOUT_MULTIPLIER=4 CLVITS_TEST_TINY=1 CK_RUN_CASE=threads \
        build_and_check threads --timeout-multiplier 4 "${wanted[@]}"
}

cell_none()
{
    build gcc gcc || { fails "the build"; return; }
    mkdir -p "$out/no-platforms"
    export OCL_ICD_VENDORS=$out/no-platforms
    rm -f "$out/none.wav"
    if ! "$out/gcc/tools/clvits" speak -o "$out/none.wav" "Hi." >>"$log" 2>&1 ||
        [ ! -s "$out/none.wav" ]; then
        fails "clvits speak"
        return
    fi
    in_short engine-cpu-path -- --suite cpu-path --suite files
    build_and_check gcc "${wanted[@]}"
}

cell_valgrind()
{
    type -P valgrind >/dev/null || { skips "valgrind is not installed"; return; }
    build_and_check gcc valgrind
    [ "$verdict" != pass ] || passes "the CPU path, no error, no leak"
}

# The kernels of every variant through the compilers of a maker.
offline()
{
    build gcc gcc || { fails "the build"; return; }
    python3 tools/kernel-report --build "$out/gcc" --target "$1" ${quick:+--sample 32} >"$log" 2>&1
    case $? in
    0) passes "$(grep -cE '^[a-z0-9_]+  ' "$log") kernels within their budgets" ;;
    77) skips "$(grep -m 1 -o 'left out.*' "$log")" ;;
    *) fails "$(tail -n 1 "$log")" ;;
    esac
}

cell_offline_intel() { offline intel; }
cell_offline_amd() { offline amd; }
cell_offline_nvidia() { offline nvidia; }
cell_offline_spirv() { offline khronos; }

. tools/matrix/runtimes.sh
. tools/matrix/arm64.sh

table=$out/table.txt
: >"$table"

# The cell's line in the table, and its row.
conclude()
{
    local seconds=$((SECONDS - began))
    printf '%s|%s|%s|%s|%s\n%s\n' "$cell" "$verdict" $seconds "$quick" "$reason" \
        "$(date -u +%F)" >"$rows/$cell"
    printf '%-16s%-6s%5d s  %s: %s\n' "$cell" "$verdict" $seconds "$what" "$reason" >>"$table"
}

while IFS='|' read -r cell what in_quick; do
    [ -n "$cell" ] || continue
    if [ ${#chosen[@]} -gt 0 ]; then
        [[ " ${chosen[*]} " == *" $cell "* ]] || continue
    elif [ -n "$quick" ] && [ -z "$in_quick" ]; then
        continue
    fi
    echo "== $cell: $what"
    log=$out/$cell.log
    : >"$log"
    began=$SECONDS
    # A shell of its own: what a cell sets ends with it, and what ends it ends the cell alone.
    if ! (
        options=()
        "cell_${cell//-/_}" </dev/null
        [ -z "$verdict" ] || conclude
        [ -n "$verdict" ]
    ); then
        fails "ended without a verdict"
        conclude
        verdict=
        reason=
    fi
    tail -n 1 "$table"
done <<<"$cells"

echo
echo "logs: $out/CELL.log"
cat "$table"
[ -z "$file" ] || write_file "$file" || exit
! grep -q ' FAIL ' "$table"
