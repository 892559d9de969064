#!/bin/bash
# SPDX-License-Identifier: MIT
#
# test.sh [--force] [ARGUMENT...]: install what is missing, build four times (gcc; clang; gcc with
# AddressSanitizer and UBSan; gcc with ThreadSanitizer), and run what each build is good for. Its
# last line counts all tests.
#
# Arguments go to `meson test` and then choose what runs, in the gcc build alone: a test's name,
# --suite NAME, -v. CLVITS_TEST_DEVICE=NAME tests another OpenCL device than PoCL's.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

force=
case ${1-} in
-h | --help)
    sed -n 's/^# \{0,1\}//; 3,/^set/{/^set/d; p}' "$0"
    exit 0
    ;;
--force)
    force=1
    shift
    ;;
esac

out=build-test
stamp=$out/passed
passed=0
failed=0
skipped=0

finish()
{
    local summary="$passed passed, $failed failed, $skipped skipped"
    # What passed whole is worth remembering; a part, or a failure, is not.
    if [ -n "${state-}" ] && [ $failed = 0 ] && [ "$state" = "$(tree_state)" ]; then
        printf '%s\n%s\n' "$state" "$summary" >$stamp
    fi
    echo "$summary"
    exit $((failed > 0))
}

# Taken once, before this script sets variables of its own.
environment=$(env | grep -E '^(CLVITS_|OCL_|POCL_|CC=|CFLAGS=|LDFLAGS=)' | sort || true)

# What a result rests on: the project's files, the packages, the drivers, the choice of device.
tree_state()
{
    {
        find . \( -path ./.git -o -path './build*' -o -path ./.venv -o -name __pycache__ \) -prune \
            -o -path './*.wav' ! -path './tests/*' -prune -o -type f -print0 |
            sort -z | xargs -0 sha256sum
        dpkg-query -W 2>/dev/null
        cat /etc/OpenCL/vendors/*.icd 2>/dev/null
        ls -lR ../shared/voices 2>/dev/null
        echo "$environment"
    } | sha256sum
}

. tools/bare.sh
if ! tools/setup.sh test; then
    failed=1
    finish
fi

if [ $# = 0 ]; then
    state=$(tree_state)
    if [ -z "$force" ] && [ -f $stamp ] && [ "$(head -n 1 $stamp)" = "$state" ]; then
        echo "Nothing has changed since every test passed here; --force runs them again."
        tail -n 1 $stamp
        exit 0
    fi
fi
mkdir -p $out

# PoCL takes every core for itself; a few tests at once fill the gaps between its launches.
cores=$(nproc)
at_once=$((cores < 4 ? 2 : cores / 2))
[ $at_once -le 8 ] || at_once=8

# Compiled kernels stay in the build folder, shared by all builds.
export POCL_CACHE_DIR=$PWD/$out/cache/pocl
export CLVITS_CACHE=$PWD/$out/cache/clvits
mkdir -p "$POCL_CACHE_DIR" "$CLVITS_CACHE"

pocl=/etc/OpenCL/vendors/pocl.icd
if [ -z "${CLVITS_TEST_DEVICE-}" ] && [ -f $pocl ]; then
    export OCL_ICD_VENDORS=$pocl
fi

targets=()

# build NAME COMPILER [SETUP OPTION...]: configure when new or when the options changed; compile all
# or the targets.
build()
{
    local dir=$out/$1 options="${*:2}"
    echo "== $1: build"
    if [ ! -f "$dir/build.ninja" ] || [ "$(cat "$dir/options" 2>/dev/null)" != "$options" ]; then
        rm -rf "$dir"
        CC=$2 meson setup "$dir" -Dwerror=true -Dtests=enabled "${@:3}" >"$out/$1.log" 2>&1
        echo "$options" >"$dir/options"
    fi
    if ! ninja -C "$dir" "${targets[@]}" >>"$out/$1.log" 2>&1; then
        tail -n 60 "$out/$1.log"
        echo "== $1: the build failed; its whole log is $out/$1.log"
        failed=$((failed + 1))
        return 1
    fi
}

# check NAME [TEST OPTION...]: run the tests of a build and add up their results.
check()
{
    local dir=$out/$1 counts status
    echo "== $1: test"
    rm -f "$dir/meson-logs/$1"*.json
    meson test -C "$dir" --no-rebuild --logbase "$1" --num-processes $at_once --print-errorlogs \
        "${@:2}" </dev/null
    status=$?
    counts=$(python3 tools/results.py "$dir/meson-logs/$1"*.json) || counts="0 1 0"
    # shellcheck disable=SC2086 # three numbers
    set -- $counts
    if [ $status != 0 ] && [ "$2" = 0 ]; then
        set -- "$1" 1 "$3"
    fi
    passed=$((passed + $1))
    failed=$((failed + $2))
    skipped=$((skipped + $3))
}

if [ $# -gt 0 ]; then
    build gcc gcc && check gcc "$@"
    finish
fi

# Without the slow suite's sweeps; of these, suite "sample" has a small part, the same every time.
build gcc gcc && check gcc --no-suite slow

# What another compiler makes of the host's code; the kernels are the same.
build clang clang && check clang --suite files --suite cpu-path

# Sanitizers watch the host's code, and only with PoCL: loading Mesa's older driver aborts them.
[ ! -f $pocl ] || export OCL_ICD_VENDORS=$pocl
unset CLVITS_TEST_DEVICE
export CK_TIMEOUT_MULTIPLIER=4
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
export TSAN_OPTIONS=halt_on_error=1
# Large cases take long here and go through the same code.
export CLVITS_TEST_TINY=1
# Compilers take long over the checks: little is optimised, and only lines are told.
watched=(-Doptimization=1 -Ddebug=true -Dc_args=-g1)
if build sanitize gcc "${watched[@]}" -Db_sanitize=address,undefined; then
    leaks=(--wrapper "$PWD/tests/leaks.sh" --timeout-multiplier 4)
    check sanitize "${leaks[@]}" --suite files --suite program --suite cpu-path --suite cpu-baseline
    # A part of the cases shows what their launches do with memory: this one has conv1d's halves,
    # its Toom-Cook forms, and both at once.
    CLVITS_TEST_EVERY=6+1 check sanitize "${leaks[@]}" --suite watched
fi

targets=(tests/test_engine tests/test_queue tests/test_replay_speech tests/test_threads)
export CK_RUN_CASE=threads
build threads gcc "${watched[@]}" -Db_sanitize=thread &&
    check threads --timeout-multiplier 4 engine-cpu-path engine-opencl queue-cpu-path \
        replay_speech-opencl threads-cpu-path threads-opencl

finish
