// SPDX-License-Identifier: MIT
#include "cpu/isa.h"

clvits_cpu_fn CLVITS_CPU_PATH(affine);
clvits_cpu_fn CLVITS_CPU_PATH(attention);
clvits_cpu_fn CLVITS_CPU_PATH(backtrack);
clvits_cpu_fn CLVITS_CPU_PATH(binary);
clvits_cpu_fn CLVITS_CPU_PATH(concat);
clvits_cpu_fn CLVITS_CPU_PATH(conv1d);
clvits_cpu_fn CLVITS_CPU_PATH(copy);
clvits_cpu_fn CLVITS_CPU_PATH(coupling);
clvits_cpu_fn CLVITS_CPU_PATH(durations);
clvits_cpu_fn CLVITS_CPU_PATH(embedding);
clvits_cpu_fn CLVITS_CPU_PATH(expand);
clvits_cpu_fn CLVITS_CPU_PATH(flip);
clvits_cpu_fn CLVITS_CPU_PATH(fold);
clvits_cpu_fn CLVITS_CPU_PATH(gate);
clvits_cpu_fn CLVITS_CPU_PATH(layer_norm);
clvits_cpu_fn CLVITS_CPU_PATH(log_flow);
clvits_cpu_fn CLVITS_CPU_PATH(loss);
clvits_cpu_fn CLVITS_CPU_PATH(matmul);
clvits_cpu_fn CLVITS_CPU_PATH(normal);
clvits_cpu_fn CLVITS_CPU_PATH(prior);
clvits_cpu_fn CLVITS_CPU_PATH(spline);
clvits_cpu_fn CLVITS_CPU_PATH(sample);
clvits_cpu_fn CLVITS_CPU_PATH(search);
clvits_cpu_fn CLVITS_CPU_PATH(separable);
clvits_cpu_fn CLVITS_CPU_PATH(slice_rows);
clvits_cpu_fn CLVITS_CPU_PATH(softmax);
clvits_cpu_fn CLVITS_CPU_PATH(spectrogram);
clvits_cpu_fn CLVITS_CPU_PATH(sum);
clvits_cpu_fn CLVITS_CPU_PATH(total);
clvits_cpu_fn CLVITS_CPU_PATH(unary);

extern const clvits_cpu_table CLVITS_ISA_PASTE(clvits_cpu_table, CLVITS_ISA);

const clvits_cpu_table CLVITS_ISA_PASTE(clvits_cpu_table, CLVITS_ISA) = {
    .isa = CLVITS_ISA_TEXT(CLVITS_ISA),
    .vector = CLVITS_VECTOR,
    .registers = CLVITS_REGISTERS,
    .fn = {
        [CLVITS_CPU_AFFINE] = CLVITS_CPU_PATH(affine),
        [CLVITS_CPU_ATTENTION] = CLVITS_CPU_PATH(attention),
        [CLVITS_CPU_BACKTRACK] = CLVITS_CPU_PATH(backtrack),
        [CLVITS_CPU_BINARY] = CLVITS_CPU_PATH(binary),
        [CLVITS_CPU_CONCAT] = CLVITS_CPU_PATH(concat),
        [CLVITS_CPU_CONV1D] = CLVITS_CPU_PATH(conv1d),
        [CLVITS_CPU_COPY] = CLVITS_CPU_PATH(copy),
        [CLVITS_CPU_COUPLING] = CLVITS_CPU_PATH(coupling),
        [CLVITS_CPU_DURATIONS] = CLVITS_CPU_PATH(durations),
        [CLVITS_CPU_EMBEDDING] = CLVITS_CPU_PATH(embedding),
        [CLVITS_CPU_EXPAND] = CLVITS_CPU_PATH(expand),
        [CLVITS_CPU_FLIP] = CLVITS_CPU_PATH(flip),
        [CLVITS_CPU_FOLD] = CLVITS_CPU_PATH(fold),
        [CLVITS_CPU_GATE] = CLVITS_CPU_PATH(gate),
        [CLVITS_CPU_LAYER_NORM] = CLVITS_CPU_PATH(layer_norm),
        [CLVITS_CPU_LOG_FLOW] = CLVITS_CPU_PATH(log_flow),
        [CLVITS_CPU_LOSS] = CLVITS_CPU_PATH(loss),
        [CLVITS_CPU_MATMUL] = CLVITS_CPU_PATH(matmul),
        [CLVITS_CPU_NORMAL] = CLVITS_CPU_PATH(normal),
        [CLVITS_CPU_SPLINE] = CLVITS_CPU_PATH(spline),
        [CLVITS_CPU_PRIOR] = CLVITS_CPU_PATH(prior),
        [CLVITS_CPU_SAMPLE] = CLVITS_CPU_PATH(sample),
        [CLVITS_CPU_SEARCH] = CLVITS_CPU_PATH(search),
        [CLVITS_CPU_SEPARABLE] = CLVITS_CPU_PATH(separable),
        [CLVITS_CPU_SLICE_ROWS] = CLVITS_CPU_PATH(slice_rows),
        [CLVITS_CPU_SOFTMAX] = CLVITS_CPU_PATH(softmax),
        [CLVITS_CPU_SPECTROGRAM] = CLVITS_CPU_PATH(spectrogram),
        [CLVITS_CPU_SUM] = CLVITS_CPU_PATH(sum),
        [CLVITS_CPU_TOTAL] = CLVITS_CPU_PATH(total),
        [CLVITS_CPU_UNARY] = CLVITS_CPU_PATH(unary),
    },
};
