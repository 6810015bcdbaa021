/* The few types and functions of OpenCL that the loader library needs, after the public specification (CL/cl.h, version
 * 3.0), so that building it needs a C compiler and no OpenCL headers.
 */
#pragma once
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct handle *handle; /* cl_platform_id, cl_device_id, cl_context, cl_command_queue, cl_mem, cl_program */
typedef void (*notify)(handle program, void *data);

enum { CL_SUCCESS = 0, CL_INVALID_VALUE = -30 };
enum { MEM_READ_WRITE = 1 << 0, QUEUE_CONTEXT = 0x1090, MEM_CONTEXT = 0x1106 };
enum { DEVICE_TYPE_CPU = 1 << 1, DEVICE_TYPE_GPU = 1 << 2 };
enum { DEVICE_COMPUTE_UNITS = 0x1002, DEVICE_NAME = 0x102B, DEVICE_VENDOR = 0x102C, DEVICE_VERSION = 0x102F };
enum { CONTEXT_DEVICES = 0x1081, PROGRAM_SOURCE = 0x1164 };

struct image_format {
  uint32_t order, type;
};
struct image_description {
  uint32_t type;
  size_t width, height, depth, array_size, row_pitch, slice_pitch;
  uint32_t levels, samples;
  handle memory;
};

/* The next definition of the function that this is called in. */
#define NEXT(function) \
  static typeof(&function) next; \
  if (!next) next = (typeof(next))dlsym(RTLD_NEXT, #function)

extern int clGetContextInfo(handle context, uint32_t name, size_t room, void *value, size_t *size);
extern int clGetProgramInfo(handle program, uint32_t name, size_t room, void *value, size_t *size);
extern handle clCreateCommandQueue(handle context, handle device, uint64_t properties, int *error);
extern int clFinish(handle queue);
extern int clReleaseCommandQueue(handle queue);

/* opencl_loader.c */
handle device_of(handle context);
handle queue_of(handle context);

/* opencl_trace.c; both do nothing where no trace is asked for, or where `made` is NULL */
void trace_program(handle made, int number);
void trace_buffer(handle context, handle made, size_t size);
