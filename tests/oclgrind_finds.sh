#!/bin/sh
# SPDX-License-Identifier: MIT
# oclgrind_finds.sh TEXT COMMAND...: pass when the command fails and its error output has the text.
set -u

text=$1
shift
said=$("$@" 2>&1) && { echo "nothing was found"; exit 1; }
case $said in
*"$text"*) exit 0 ;;
esac
echo "$said"
exit 1
