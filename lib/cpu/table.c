// SPDX-License-Identifier: MIT
#include "cpu/isa.h"

clvits_cpu_fn CLVITS_CPU_PATH(conv1d);

extern const clvits_cpu_table CLVITS_ISA_PASTE(clvits_cpu_table, CLVITS_ISA);

const clvits_cpu_table CLVITS_ISA_PASTE(clvits_cpu_table, CLVITS_ISA) = {
    .isa = CLVITS_ISA_TEXT(CLVITS_ISA),
    .vector = CLVITS_VECTOR,
    .registers = CLVITS_REGISTERS,
    .fn = {
        [CLVITS_CPU_CONV1D] = CLVITS_CPU_PATH(conv1d),
    },
};
