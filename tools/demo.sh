#!/bin/bash
# SPDX-License-Identifier: MIT
#
# demo.sh [TEXT]: install what is missing, build, and speak the text to demo.wav.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1-} in
-h | --help)
    echo "usage: tools/demo.sh [TEXT]   speak TEXT to demo.wav; installs and builds what is missing"
    exit 0
    ;;
esac
text=${*:-Hello. Every sample of this sentence was computed on this machine.}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Run a command with its output kept back, and shown when it fails.
quietly()
{
    if ! "$@" >"$work/log" 2>&1; then
        cat "$work/log" >&2
        echo "demo: '$*' failed" >&2
        exit 1
    fi
}

. tools/bare.sh
tools/setup.sh demo
if [ ! -f build/build.ninja ]; then
    quietly meson setup build
fi
if [ ! -x build/tools/clvits ]; then
    echo "demo: building" >&2
fi
quietly ninja -C build tools/clvits

# A device's driver compiles the kernels once, which may take it half a minute, and keeps them.
if [ ! build/demo-kernels -nt build/tools/clvits ] &&
    build/tools/clvits devices --json | grep '"name"' >/dev/null; then
    echo "demo: compiling the kernels for this device" >&2
    quietly build/tools/clvits speak -o "$work/first.wav" "$text"
    touch build/demo-kernels
fi

# After a failure there is no demo.wav of an earlier text.
rm -f demo.wav
build/tools/clvits speak -o demo.wav "$text"
echo "$PWD/demo.wav"
