# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by demo.sh and test.sh. In a bare chroot without /sys, hwloc sees no memory and PoCL gives
# up; it needs no more than this line to go on.
if [ ! -d /sys/devices/system/cpu ]; then
    megabytes=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
    units=$(nproc)
    export HWLOC_SYNTHETIC="[NUMANode(memory=${megabytes}MB)] pu:$units"
fi
