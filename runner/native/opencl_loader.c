/* Stands between the OpenCL delegate and the OpenCL loader, and changes what the environment asks for:
 *
 *   REPRO_CL_NAME, REPRO_CL_VENDOR, REPRO_CL_VERSION   what the device calls itself
 *   REPRO_CL_COMPUTE_UNITS   how many of them it says it has
 *   REPRO_CL_BUILD_OPTIONS   replaces the options that the delegate builds every program with ("" for none)
 *   REPRO_CL_BARRIER_OPTIONS added to the options of each program that has a barrier in it
 *   REPRO_CL_FILL            eight hex digits: the 32-bit word that each new buffer and image is filled with
 *   REPRO_CL_KERNELS         a folder that gets the source of each program, in the order of their creation, and beside
 *                            it the options that it is built with
 *   REPRO_CL_TRACE           a folder that gets what opencl_trace.c says of each kernel's run
 *
 * A device that is a CPU is always shown to who asks for a GPU: the delegate asks for nothing else. Everything that
 * is not defined here is libOpenCL.so.1's own, which this library is linked to.
 */
#include "opencl_types.h"

int clGetDeviceIDs(handle platform, uint64_t type, uint32_t room, handle *devices, uint32_t *count) {
  NEXT(clGetDeviceIDs);
  return next(platform, type & DEVICE_TYPE_GPU ? type | DEVICE_TYPE_CPU : type, room, devices, count);
}

static const char *presented(uint32_t name) {
  switch (name) {
    case DEVICE_NAME: return getenv("REPRO_CL_NAME");
    case DEVICE_VENDOR: return getenv("REPRO_CL_VENDOR");
    case DEVICE_VERSION: return getenv("REPRO_CL_VERSION");
    default: return NULL;
  }
}

int clGetDeviceInfo(handle device, uint32_t name, size_t room, void *value, size_t *size) {
  NEXT(clGetDeviceInfo);
  const char *text = presented(name), *units = getenv("REPRO_CL_COMPUTE_UNITS");
  if (name == DEVICE_COMPUTE_UNITS && units) {
    uint32_t count = (uint32_t)strtoul(units, NULL, 10);
    if (size) *size = sizeof count;
    if (value && room < sizeof count) return CL_INVALID_VALUE;
    if (value) memcpy(value, &count, sizeof count);
    return CL_SUCCESS;
  }
  if (!text) return next(device, name, room, value, size);
  size_t length = strlen(text) + 1;
  if (size) *size = length;
  if (value && room < length) return CL_INVALID_VALUE;
  if (value) memcpy(value, text, length);
  return CL_SUCCESS;
}

enum { MADE = 1 << 16 };
static handle made_programs[MADE]; /* by their number, so that one that is built is known by it */
static int programs;

/* The number of a program, or -1. The newest first: a handle that was released is given out again. */
static int number_of(handle program) {
  for (int number = programs - 1; number >= 0 && number > programs - MADE; number--)
    if (made_programs[number % MADE] == program) return number;
  return -1;
}

static void keep_options(handle program, const char *options) {
  const char *folder = getenv("REPRO_CL_KERNELS");
  int number = folder ? number_of(program) : -1;
  if (number < 0) return;
  char path[4096];
  snprintf(path, sizeof path, "%s/program-%04d.options", folder, number);
  FILE *file = fopen(path, "w");
  if (!file) {
    fprintf(stderr, "opencl_loader: cannot write %s\n", path);
    return;
  }
  fprintf(file, "%s\n", options ? options : "");
  fclose(file);
}

static void keep_source(const char *path, uint32_t count, const char **parts, const size_t *lengths) {
  FILE *file = fopen(path, "w");
  if (!file) {
    fprintf(stderr, "opencl_loader: cannot write %s\n", path);
    return;
  }
  for (uint32_t i = 0; i < count; i++)
    fwrite(parts[i], 1, lengths && lengths[i] ? lengths[i] : strlen(parts[i]), file);
  fclose(file);
}

handle clCreateProgramWithSource(handle context, uint32_t count, const char **parts, const size_t *lengths, int *error) {
  NEXT(clCreateProgramWithSource);
  const char *folder = getenv("REPRO_CL_KERNELS"), *trace = getenv("REPRO_CL_TRACE");
  int number = __sync_fetch_and_add(&programs, 1);
  char path[4096];
  if (folder) {
    snprintf(path, sizeof path, "%s/program-%04d.cl", folder, number);
    keep_source(path, count, parts, lengths);
  }
  if (trace) {
    snprintf(path, sizeof path, "%s/program-%d-%d.cl", trace, (int)getpid(), number);
    keep_source(path, count, parts, lengths);
  }
  handle made = next(context, count, parts, lengths, error);
  made_programs[number % MADE] = made;
  trace_program(made, number);
  return made;
}

static int has_barrier(handle program) {
  size_t size = 0;
  if (clGetProgramInfo(program, PROGRAM_SOURCE, 0, NULL, &size) != CL_SUCCESS || size == 0) return 0;
  char *source = malloc(size);
  int found = source && clGetProgramInfo(program, PROGRAM_SOURCE, size, source, NULL) == CL_SUCCESS &&
              strstr(source, "barrier(") != NULL;
  free(source);
  return found;
}

int clBuildProgram(handle program, uint32_t count, const handle *devices, const char *options, notify done, void *data) {
  NEXT(clBuildProgram);
  const char *instead = getenv("REPRO_CL_BUILD_OPTIONS"), *more = getenv("REPRO_CL_BARRIER_OPTIONS");
  char all[4096];
  if (instead) options = instead;
  if (more && has_barrier(program)) {
    snprintf(all, sizeof all, "%s %s", options ? options : "", more);
    options = all;
  }
  keep_options(program, options);
  return next(program, count, devices, options, done, data);
}

/* --- filling new memory -------------------------------------------------------------------------------------------- */

extern int clEnqueueFillBuffer(handle queue, handle memory, const void *pattern, size_t pattern_size, size_t offset,
                               size_t size, uint32_t waits, const handle *wait, handle *event);
extern int clEnqueueFillImage(handle queue, handle image, const void *color, const size_t *origin,
                              const size_t *region, uint32_t waits, const handle *wait, handle *event);

static int fill_word(uint32_t *word) {
  const char *text = getenv("REPRO_CL_FILL");
  if (text) *word = (uint32_t)strtoul(text, NULL, 16);
  return text != NULL;
}

handle device_of(handle context) {
  handle devices[16] = {NULL};
  clGetContextInfo(context, CONTEXT_DEVICES, sizeof devices, devices, NULL);
  return devices[0];
}

handle queue_of(handle context) { return clCreateCommandQueue(context, device_of(context), 0, NULL); }

static void finish(handle queue, int status, const char *what) {
  if (status == CL_SUCCESS) status = clFinish(queue);
  if (status != CL_SUCCESS) fprintf(stderr, "opencl_loader: a new %s could not be filled: status %d\n", what, status);
  clReleaseCommandQueue(queue);
}

handle clCreateBuffer(handle context, uint64_t flags, size_t size, void *host, int *error) {
  NEXT(clCreateBuffer);
  handle made = next(context, flags, size, host, error);
  uint32_t word;
  if (made && !host && fill_word(&word)) {
    handle queue = queue_of(context);
    size_t whole = size / sizeof word * sizeof word, rest = size - whole;
    int status = whole ? clEnqueueFillBuffer(queue, made, &word, sizeof word, 0, whole, 0, NULL, NULL) : CL_SUCCESS;
    if (status == CL_SUCCESS && rest)
      status = clEnqueueFillBuffer(queue, made, &word, 1, whole, rest, 0, NULL, NULL);
    finish(queue, status, "buffer");
  }
  trace_buffer(context, made, size);
  return made;
}

handle clCreateImage(handle context, uint64_t flags, const struct image_format *format,
                     const struct image_description *image, void *host, int *error) {
  NEXT(clCreateImage);
  handle made = next(context, flags, format, image, host, error);
  uint32_t word;
  if (made && !host && !image->memory && fill_word(&word)) {
    uint32_t color[4] = {word, word, word, word};
    size_t layers = image->depth ? image->depth : image->array_size ? image->array_size : 1;
    size_t origin[3] = {0, 0, 0}, region[3] = {image->width, image->height ? image->height : 1, layers};
    handle queue = queue_of(context);
    finish(queue, clEnqueueFillImage(queue, made, color, origin, region, 0, NULL, NULL), "image");
  }
  return made;
}
