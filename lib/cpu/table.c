// SPDX-License-Identifier: MIT
#include "cpu/isa.h"

clvits_cpu_fn CLVITS_CPU_PATH(attention);
clvits_cpu_fn CLVITS_CPU_PATH(conv1d);
clvits_cpu_fn CLVITS_CPU_PATH(softmax);

extern const clvits_cpu_table CLVITS_ISA_PASTE(clvits_cpu_table, CLVITS_ISA);

const clvits_cpu_table CLVITS_ISA_PASTE(clvits_cpu_table, CLVITS_ISA) = {
    .isa = CLVITS_ISA_TEXT(CLVITS_ISA),
    .vector = CLVITS_VECTOR,
    .registers = CLVITS_REGISTERS,
    .fn = {
        [CLVITS_CPU_ATTENTION] = CLVITS_CPU_PATH(attention),
        [CLVITS_CPU_CONV1D] = CLVITS_CPU_PATH(conv1d),
        [CLVITS_CPU_SOFTMAX] = CLVITS_CPU_PATH(softmax),
    },
};
