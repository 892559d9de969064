// SPDX-License-Identifier: MIT
//
// What CLVITS_FAULTS asks of the layer, taken apart.
#ifndef CLVITS_TESTS_LAYER_FAULTS_H
#define CLVITS_TESTS_LAYER_FAULTS_H

#define CL_TARGET_OPENCL_VERSION 300

#include <CL/cl.h>
#include <stdbool.h>
#include <stddef.h>

enum kind {
    BUFFER, BUILD, PROGRAM, KERNEL, ARGUMENT, LAUNCH, READ, WRITE, COPY, FILL, MAP, FLUSH, FINISH,
    CONTEXT, QUEUE, RECORD, ANY, KINDS
};

extern const struct fault_kind {
    const char *name;
    cl_int error;
} fault_kinds[KINDS];

enum { MAX_RULES = 16, TEXT = 1024, CRASH = 1, EXIT = 2 /* no errors of OpenCL */ };

typedef struct rule {
    enum kind kind;
    long first;
    bool on;
    cl_int error;
} rule;

typedef struct faults {
    rule rules[MAX_RULES];
    int n;
    long lost; /* launches; -1: never */
    size_t more_than; /* the buffers that fail; 0: none */
    const char *name, *vendor, *driver, *version, *platform, *platform_version, *extensions;
    const char *crash; /* a kernel */
    bool gpu, leaks;
    size_t local, group, alloc, global; /* 0: as it is */
    char text[TEXT];
} faults;

/** NULL: none. False when the text makes no sense. */
bool faults_parse(faults *f, const char *text);

#endif
