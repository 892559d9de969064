#!/bin/sh
# SPDX-License-Identifier: MIT
#
# valgrind.sh PROGRAM [VALGRIND]: a word on the CPU path, without an invalid access, a decision on a
# value that nobody set, or a block that is lost. Drivers of OpenCL are not looked into.
program=$1 valgrind=${2-}
if [ -z "$valgrind" ]; then
    echo "valgrind is not installed"
    exit 77
fi
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
OCL_ICD_VENDORS=$folder "$valgrind" -q --error-exitcode=9 --leak-check=full \
    --show-leak-kinds=definite --errors-for-leak-kinds=definite \
    "$program" speak -o "$folder/hi.wav" "Hi." &&
    [ -s "$folder/hi.wav" ]
