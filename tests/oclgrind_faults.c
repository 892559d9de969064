// SPDX-License-Identifier: MIT
//
// oclgrind_faults KERNEL: run a kernel that does wrong, to see that Oclgrind still says so.
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <stdio.h>

enum { ITEMS = 4 };

static const char *const text =
    "kernel void right(global const float *x, global float *y) {\n"
    "    const int i = get_global_id(0);\n"
    "    local float part[4];\n"
    "    part[i] = x[i];\n"
    "    barrier(CLK_LOCAL_MEM_FENCE);\n"
    "    y[i] = part[3 - i];\n"
    "}\n"
    "kernel void race(global const float *x, global float *y) {\n"
    "    const int i = get_global_id(0);\n"
    "    local float part[4];\n"
    "    part[i] = x[i];\n"
    "    y[i] = part[3 - i];\n"
    "}\n"
    "kernel void read(global const float *x, global float *y) {\n"
    "    const int i = get_global_id(0);\n"
    "    local float part[4];\n"
    "    if (i)\n"
    "        part[i] = x[i];\n"
    "    barrier(CLK_LOCAL_MEM_FENCE);\n"
    "    y[i] = part[3 - i];\n"
    "}\n"
    "kernel void bounds(global const float *x, global float *y) {\n"
    "    const int i = get_global_id(0);\n"
    "    y[i + 1] = x[i];\n"
    "}\n";

static int run(const char *name)
{
    const float x[ITEMS] = { 1, 2, 3, 4 };
    const size_t items = ITEMS;
    cl_platform_id platform;
    cl_device_id device;
    cl_int e;

    if (clGetPlatformIDs(1, &platform, NULL) ||
        clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL))
        return 1;
    cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &e);
    cl_command_queue queue = clCreateCommandQueue(context, device, 0, &e);
    cl_mem in = clCreateBuffer(context, CL_MEM_READ_ONLY, sizeof(x), NULL, &e);
    cl_mem out = clCreateBuffer(context, CL_MEM_WRITE_ONLY, sizeof(x), NULL, &e);
    cl_program program = clCreateProgramWithSource(context, 1, (const char **)&text, NULL, &e);
    e = clBuildProgram(program, 1, &device, "-cl-std=CL1.2", NULL, NULL);
    cl_kernel kernel = e ? NULL : clCreateKernel(program, name, &e);
    if (e || clSetKernelArg(kernel, 0, sizeof(in), &in) ||
        clSetKernelArg(kernel, 1, sizeof(out), &out) ||
        clEnqueueWriteBuffer(queue, in, CL_TRUE, 0, sizeof(x), x, 0, NULL, NULL) ||
        clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &items, &items, 0, NULL, NULL) ||
        clFinish(queue))
        return 1;
    clReleaseKernel(kernel);
    clReleaseProgram(program);
    clReleaseMemObject(in);
    clReleaseMemObject(out);
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2 || run(argv[1])) {
        fprintf(stderr, "oclgrind_faults: cannot run a kernel\n");
        return 1;
    }
    return 0;
}
