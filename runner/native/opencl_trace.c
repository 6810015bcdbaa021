/* Says of each kernel that ran which program it is of, which buffers it was given, and what the driver reported of it.
 *
 *   REPRO_CL_TRACE   a folder; of the process PID it gets
 *     trace-PID.jsonl         one JSON object per buffer and per run of a kernel
 *     reports-PID-N.log       what Oclgrind reports in the N-th context
 *     program-PID-N.cl        the source of the N-th program (opencl_loader.c)
 *     memory-PID-RUN-BUF.bin  what buffer BUF held after run RUN, of runs of which something was reported
 *
 * Each kernel is waited for, so that what was reported between its start and its end is of it. Where a buffer lies is
 * asked of the driver by a kernel that returns its argument as a number: reports name an address and nothing else.
 */
#include "opencl_types.h"

#include <pthread.h>

enum { MOST_DUMPS = 64, MOST_DUMPED = 1 << 20 };

extern int clBuildProgram(handle program, uint32_t count, const handle *devices, const char *options, notify done,
                          void *data);
extern int clEnqueueReadBuffer(handle queue, handle memory, uint32_t wait, size_t offset, size_t size, void *to,
                               uint32_t waits, const handle *wait_for, handle *event);
extern int clGetCommandQueueInfo(handle queue, uint32_t name, size_t room, void *value, size_t *size);
extern int clReleaseMemObject(handle memory);

/* What is known of a handle. kinds: 'c' context, 'p' program, 'k' kernel, 'b' buffer, 'a' argument of a kernel. */
struct known {
  char kind;
  handle of;
  int number;  /* of a context, program or buffer; of a kernel its program's; of an argument its buffer's */
  uint32_t index; /* of an argument */
  size_t size;    /* of a buffer */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct known *table;
static size_t used, room_for;
static int contexts, buffers, runs, dumps;

static const char *trace_folder(void) { return getenv("REPRO_CL_TRACE"); }

/* The newest entry, since a released handle may be given out again. Call with the lock held, as `remember`. */
static struct known *find(char kind, handle of, uint32_t index) {
  for (size_t i = used; i-- > 0;)
    if (table[i].kind == kind && table[i].of == of && table[i].index == index) return &table[i];
  return NULL;
}

static void remember(struct known entry) {
  if (used == room_for) {
    room_for = room_for ? 2 * room_for : 256;
    table = realloc(table, room_for * sizeof *table);
    if (!table) abort();
  }
  table[used++] = entry;
}

static FILE *trace_file(void) {
  static FILE *file;
  if (!file) {
    char path[4096];
    snprintf(path, sizeof path, "%s/trace-%d.jsonl", trace_folder(), (int)getpid());
    file = fopen(path, "a");
    if (!file) {
      fprintf(stderr, "opencl_loader: cannot write %s\n", path);
      abort(); /* a check that sees nothing must not look like one that found nothing */
    }
  }
  return file;
}

static void log_path(char *path, size_t room, int context) {
  snprintf(path, room, "%s/reports-%d-%d.log", trace_folder(), (int)getpid(), context);
}

static long reported_so_far(int context) {
  char path[4096];
  struct stat status;
  log_path(path, sizeof path, context);
  return stat(path, &status) == 0 ? (long)status.st_size : 0;
}

/* Oclgrind opens its log when a context is made, and empties it: each context gets one of its own. */
handle clCreateContext(const intptr_t *properties, uint32_t count, const handle *devices, void *notified, void *data,
                       int *error) {
  NEXT(clCreateContext);
  if (!trace_folder()) return next(properties, count, devices, notified, data, error);
  pthread_mutex_lock(&lock);
  int number = contexts++;
  char path[4096];
  log_path(path, sizeof path, number);
  setenv("OCLGRIND_LOG", path, 1);
  handle made = next(properties, count, devices, notified, data, error);
  remember((struct known){.kind = 'c', .of = made, .number = number});
  pthread_mutex_unlock(&lock);
  return made;
}

void trace_program(handle made, int number) {
  if (!trace_folder() || !made) return;
  pthread_mutex_lock(&lock);
  remember((struct known){.kind = 'p', .of = made, .number = number});
  pthread_mutex_unlock(&lock);
}

handle clCreateKernel(handle program, const char *name, int *error) {
  NEXT(clCreateKernel);
  handle made = next(program, name, error);
  if (!trace_folder() || !made) return made;
  pthread_mutex_lock(&lock);
  struct known *of = find('p', program, 0);
  remember((struct known){.kind = 'k', .of = made, .number = of ? of->number : -1});
  pthread_mutex_unlock(&lock);
  return made;
}

int clSetKernelArg(handle kernel, uint32_t index, size_t size, const void *value) {
  NEXT(clSetKernelArg);
  if (trace_folder()) {
    pthread_mutex_lock(&lock);
    struct known *buffer = size == sizeof(handle) && value ? find('b', *(const handle *)value, 0) : NULL;
    struct known *set = find('a', kernel, index);
    if (set) set->number = buffer ? buffer->number : -1;
    else if (buffer) remember((struct known){.kind = 'a', .of = kernel, .index = index, .number = buffer->number});
    pthread_mutex_unlock(&lock);
  }
  return next(kernel, index, size, value);
}

static void keep_memory(handle queue, int run, const struct known *buffer) {
  char path[4096];
  if (buffer->size > MOST_DUMPED || dumps >= MOST_DUMPS) return;
  void *bytes = malloc(buffer->size);
  snprintf(path, sizeof path, "%s/memory-%d-%d-%d.bin", trace_folder(), (int)getpid(), run, buffer->number);
  if (bytes && clEnqueueReadBuffer(queue, buffer->of, 1, 0, buffer->size, bytes, 0, NULL, NULL) == CL_SUCCESS) {
    FILE *file = fopen(path, "w");
    if (file) {
      fwrite(bytes, 1, buffer->size, file);
      fclose(file);
      dumps++;
    }
  }
  free(bytes);
}

static void say_run(handle queue, handle kernel, int context, long start) {
  long end = reported_so_far(context);
  struct known *of = find('k', kernel, 0);
  int run = runs++, first = 1;
  FILE *file = trace_file();
  fprintf(file, "{\"run\": %d, \"program\": %d, \"context\": %d, \"reported\": [%ld, %ld], \"arguments\": [", run,
          of ? of->number : -1, context, start, end);
  for (size_t i = 0; i < used; i++) {
    if (table[i].kind != 'a' || table[i].of != kernel || table[i].number < 0) continue;
    fprintf(file, "%s[%u, %d]", first ? "" : ", ", table[i].index, table[i].number);
    first = 0;
    if (end == start) continue;
    for (size_t j = used; j-- > 0;)
      if (table[j].kind == 'b' && table[j].number == table[i].number) keep_memory(queue, run, &table[j]);
  }
  fprintf(file, "]}\n");
  fflush(file);
}

int clEnqueueNDRangeKernel(handle queue, handle kernel, uint32_t dimensions, const size_t *offset, const size_t *global,
                           const size_t *local, uint32_t waits, const handle *wait, handle *event) {
  NEXT(clEnqueueNDRangeKernel);
  if (!trace_folder()) return next(queue, kernel, dimensions, offset, global, local, waits, wait, event);
  pthread_mutex_lock(&lock);
  handle in = NULL;
  clGetCommandQueueInfo(queue, QUEUE_CONTEXT, sizeof in, &in, NULL);
  struct known *context = find('c', in, 0);
  int number = context ? context->number : -1;
  clFinish(queue);
  long start = reported_so_far(number);
  int status = next(queue, kernel, dimensions, offset, global, local, waits, wait, event);
  if (status == CL_SUCCESS) status = clFinish(queue);
  say_run(queue, kernel, number, start);
  pthread_mutex_unlock(&lock);
  return status;
}

/* --- where a buffer lies -------------------------------------------------------------------------------------------- */

static uint64_t address_of(handle context, handle memory, size_t size) {
  static const char *source = "__kernel void where(__global char *p, __global ulong *told) { *told = (ulong)p; }";
  typeof(&clCreateKernel) create = (typeof(create))dlsym(RTLD_NEXT, "clCreateKernel");
  typeof(&clSetKernelArg) set = (typeof(set))dlsym(RTLD_NEXT, "clSetKernelArg");
  typeof(&clEnqueueNDRangeKernel) enqueue = (typeof(enqueue))dlsym(RTLD_NEXT, "clEnqueueNDRangeKernel");
  handle (*buffer)(handle, uint64_t, size_t, void *, int *) = dlsym(RTLD_NEXT, "clCreateBuffer");
  handle (*with_source)(handle, uint32_t, const char **, const size_t *, int *) =
      dlsym(RTLD_NEXT, "clCreateProgramWithSource");
  static handle program_of, program, kernel;
  uint64_t told = 0;
  size_t one = 1;
  handle device = device_of(context), queue = queue_of(context);
  if (program_of != context) {
    program = with_source(context, 1, &source, NULL, NULL);
    clBuildProgram(program, 1, &device, "", NULL, NULL);
    kernel = create(program, "where", NULL);
    program_of = context;
  }
  handle into = buffer(context, MEM_READ_WRITE, sizeof told, NULL, NULL);
  set(kernel, 0, sizeof memory, &memory);
  set(kernel, 1, sizeof into, &into);
  int status = enqueue(queue, kernel, 1, NULL, &one, NULL, 0, NULL, NULL);
  if (status == CL_SUCCESS) status = clEnqueueReadBuffer(queue, into, 1, 0, sizeof told, &told, 0, NULL, NULL);
  if (status != CL_SUCCESS) fprintf(stderr, "opencl_loader: a buffer of %zu bytes has no address: %d\n", size, status);
  clReleaseMemObject(into);
  clReleaseCommandQueue(queue);
  return told;
}

extern int clGetMemObjectInfo(handle memory, uint32_t name, size_t room, void *value, size_t *size);

/* A part of a buffer, as the delegate cuts them from one block of memory, is a buffer like any other. */
handle clCreateSubBuffer(handle whole, uint64_t flags, uint32_t type, const void *region, int *error) {
  NEXT(clCreateSubBuffer);
  handle made = next(whole, flags, type, region, error), context = NULL;
  if (trace_folder() && made) {
    clGetMemObjectInfo(made, MEM_CONTEXT, sizeof context, &context, NULL);
    trace_buffer(context, made, ((const size_t *)region)[1]); /* origin, size */
  }
  return made;
}

void trace_buffer(handle context, handle made, size_t size) {
  if (!trace_folder() || !made) return;
  pthread_mutex_lock(&lock);
  int number = buffers++;
  uint64_t address = address_of(context, made, size);
  remember((struct known){.kind = 'b', .of = made, .number = number, .size = size});
  fprintf(trace_file(), "{\"buffer\": %d, \"address\": %llu, \"size\": %zu}\n", number, (unsigned long long)address,
          size);
  pthread_mutex_unlock(&lock);
}
