#!/bin/sh
# SPDX-License-Identifier: MIT
# headers.sh INCLUDE_DIR HEADER...: each public header compiles alone, as C99 and as C++.
set -u

include=$1
shift
failed=0
cxx=
for candidate in g++ clang++; do
    if command -v "$candidate" >/dev/null; then
        cxx=$candidate
        break
    fi
done
[ -n "$cxx" ] || echo "no C++ compiler: headers are checked as C99 only"

for header; do
    ${CC:-cc} -x c -std=c99 -pedantic -Wall -Wextra -Wstrict-prototypes -Werror -fsyntax-only \
        -I "$include" -include "$header" /dev/null || failed=1
    [ -z "$cxx" ] || "$cxx" -x c++ -std=c++11 -pedantic -Wall -Wextra -Werror -fsyntax-only \
        -I "$include" -include "$header" /dev/null || failed=1
done
exit $failed
