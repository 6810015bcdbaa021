"""A small OpenCL program, run as a script in the environment that a worker would get; prints one JSON object.

It opens the library that the delegate would open, looks for a GPU as the delegate does, makes a buffer that it does not
write, builds a program, and says what it saw. An argument is the OpenCL source to build and run: a kernel
`f(__global float *out)`, whose four results are told.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from ctypes import byref, c_char_p, c_size_t, c_uint32, c_uint64, c_void_p

GPU = 1 << 2
READ_WRITE = 1
NAME, VENDOR, VERSION, COMPUTE_UNITS = 0x102B, 0x102C, 0x102F, 0x1002
BUILD_OPTIONS = 0x1182


def main(source: str) -> dict[str, object]:
    cl = ctypes.CDLL(os.environ["REPRO_OPENCL_LIBRARY"])
    for name in (
        "clCreateContext",
        "clCreateCommandQueue",
        "clCreateBuffer",
        "clCreateProgramWithSource",
        "clCreateKernel",
    ):
        getattr(cl, name).restype = c_void_p
    platform, device = c_void_p(), c_void_p()
    assert cl.clGetPlatformIDs(1, byref(platform), None) == 0
    assert cl.clGetDeviceIDs(platform, c_uint64(GPU), 1, byref(device), None) == 0, "no device says that it is a GPU"

    def said(name: int) -> str:
        text = ctypes.create_string_buffer(1024)
        assert cl.clGetDeviceInfo(device, c_uint32(name), c_size_t(1024), text, None) == 0
        return text.value.decode()

    units = c_uint32()
    assert cl.clGetDeviceInfo(device, c_uint32(COMPUTE_UNITS), c_size_t(4), byref(units), None) == 0
    context = c_void_p(cl.clCreateContext(None, 1, byref(device), None, None, None))
    queue = c_void_p(cl.clCreateCommandQueue(context, device, c_uint64(0), None))
    memory = c_void_p(cl.clCreateBuffer(context, c_uint64(READ_WRITE), c_size_t(18), None, None))
    untouched = ctypes.create_string_buffer(18)
    assert cl.clEnqueueReadBuffer(queue, memory, 1, c_size_t(0), c_size_t(18), untouched, 0, None, None) == 0

    text = c_char_p(source.encode())
    program = c_void_p(cl.clCreateProgramWithSource(context, 1, byref(text), None, None))
    status = cl.clBuildProgram(program, 1, byref(device), b"-DGIVEN=1", None, None)
    options = ctypes.create_string_buffer(1024)
    cl.clGetProgramBuildInfo(program, device, c_uint32(BUILD_OPTIONS), c_size_t(1024), options, None)
    results = (ctypes.c_float * 4)()
    if status == 0:
        out = c_void_p(cl.clCreateBuffer(context, c_uint64(READ_WRITE), c_size_t(16), None, None))
        kernel = c_void_p(cl.clCreateKernel(program, b"f", None))
        assert cl.clSetKernelArg(kernel, 0, c_size_t(8), byref(out)) == 0
        assert cl.clEnqueueNDRangeKernel(queue, kernel, 1, None, byref(c_size_t(4)), None, 0, None, None) == 0
        assert cl.clEnqueueReadBuffer(queue, out, 1, c_size_t(0), c_size_t(16), results, 0, None, None) == 0
    return {
        "name": said(NAME),
        "vendor": said(VENDOR),
        "version": said(VERSION),
        "compute_units": units.value,
        "untouched": untouched.raw.hex(),
        "built": status,
        "options": options.value.decode().split(),
        "results": list(results),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
