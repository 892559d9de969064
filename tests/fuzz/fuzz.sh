#!/bin/sh
# SPDX-License-Identifier: MIT
#
# fuzz.sh SECONDS FUZZER FOLDER SEED...: libFuzzer for so long; FOLDER keeps what it finds, and
# FOLDER.crash-* what fails.
seconds=$1 fuzzer=$2 folder=$3
shift 3
mkdir -p "$folder"
n=0
for seed; do
    if [ -d "$seed" ]; then
        cp "$seed"/* "$folder"
    else # several of one name
        n=$((n + 1))
        cp "$seed" "$folder/more-$n"
    fi
done
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=1"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
exec "$fuzzer" "$folder" -max_total_time="$seconds" -malloc_limit_mb=256 -timeout=10 \
    -max_len=4194304 -artifact_prefix="$folder.crash-" -print_final_stats=1 -close_fd_mask=1
