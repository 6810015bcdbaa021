/* batch_runner: runs a batch of .tflite models through LiteRT's C API, on a phone or on the host.
 *
 *   batch_runner run BATCH_DIR OBJECTS_DIR LIBRARY_DIR   run the batch that BATCH_DIR/manifest describes
 *   batch_runner serve STAY_DIR OBJECTS_DIR LIBRARY_DIR  run batches as they come on standard input, until it ends
 *   batch_runner sha256 FILE...                          print "<sha256>  <file>" for each file
 *   batch_runner zip ARCHIVE LIST                        make a zip of LIST, which sha256 printed, and the files it names
 *   batch_runner version                                 print the runner's version and pointer size
 *
 * Key insight: a delegate may abort, hang or eat memory, so it never runs in the process that speaks to
 * the host. Cases run in forked children; what a child's death costs is the case in flight, and that
 * case is tried once more alone before it is called a crash, because the fault may have been its
 * predecessors'. Deadlines are kept here, on the monotonic clock: when the cable goes, the adb daemon
 * hangs up only the shell it started, so nobody else can be relied on to stop us.
 *
 * LiteRT is opened with dlopen and needs neither headers nor a library at build time. Two ABIs exist
 * under the same symbol names: from 2.1.6 on LiteRtCreateModelFromBuffer takes the environment first;
 * the presence of LiteRtCreateModelFromFd tells.
 *
 * What a process costs is its start: the runtime, the driver, the shaders that it compiles. So a child lives
 * from batch to batch too: `serve` is one process per connection, and its child is replaced when it dies, or has
 * served `per_child` cases. On standard input each batch is "run NUMBER MANIFEST_BYTES PACK_BYTES\n" and
 * those bytes, whose arrival {"event": "taken"} tells; its folder, STAY_DIR/batch-NUMBER, is made for it.
 *
 * Standard output is one JSON object per line: {"event": ...} for the batch, {"id": ...} for a case. The
 * same case lines are appended to BATCH_DIR/results before they are printed, so that a lost cable loses
 * none. `serve` puts {"event": "outputs", "id": ..., "bytes": N} and N bytes before the line of a case whose
 * outputs are no larger than a megabyte, so that they need not be fetched. No name or path in the manifest reaches the file system: models and inputs are named by their
 * sha256, outputs by their number. The manifest's format is in runner/adb/manifest.py.
 *
 * Exit: 0 batch finished, 2 bad usage or manifest, 3 LiteRT cannot be loaded, 4 whole deadline passed,
 * 5 the batch folder cannot be read or written (disk full, damaged push), 6 nobody is listening.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNNER_VERSION "2" /* 2: with `serve` */
#define SENTINEL_BITS 0xFEEDC0DEu /* runner/run.py: finite, outside fp16's range, written by no kernel */
#define LOG_BYTES (64 * 1024)
#define START_MS 60000 /* for the runtime and the driver to come up in a new child */
#define LOOK_MS 50     /* between two looks at a silent child's memory, and at who started us */
#define LONGEST_REPLY (16u << 20)
#define LONGEST_HEADER 4096
#define LARGEST_BATCH (1L << 30)
#define LARGEST_INLINE (1u << 20) /* of outputs that are sent along: while they are, no deadline is looked at */

enum { EXIT_BAD_MANIFEST = 2, EXIT_NO_RUNTIME = 3, EXIT_DEADLINE = 4, EXIT_STORAGE = 5, EXIT_UNHEARD = 6 };

/* ------------------------------------------------------------------ growing text, and JSON into it */

typedef struct {
  char *data;
  size_t size, room;
} Text;

static void *need(void *memory) {
  if (memory == NULL) {
    static const char line[] = "{\"event\":\"error\",\"kind\":\"memory\",\"message\":\"out of memory\"}\n";
    if (write(STDOUT_FILENO, line, sizeof line - 1) < 0) _exit(EXIT_UNHEARD);
    _exit(EXIT_STORAGE);
  }
  return memory;
}

static void text_add(Text *text, const char *data, size_t size) {
  if (text->size + size + 1 > text->room) {
    text->room = (text->size + size + 1) * 2;
    text->data = need(realloc(text->data, text->room));
  }
  memcpy(text->data + text->size, data, size);
  text->size += size;
  text->data[text->size] = '\0';
}

__attribute__((format(printf, 2, 3))) static void text_format(Text *text, const char *format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  if (size < 0) return;
  text_add(text, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1);
}

/* Every byte outside printable ASCII becomes \u00XX, so that any log makes valid JSON. */
static void text_json(Text *text, const char *data, size_t size) {
  text_add(text, "\"", 1);
  for (size_t i = 0; i < size; i++) {
    unsigned char byte = (unsigned char)data[i];
    if (byte == '"' || byte == '\\') {
      text_format(text, "\\%c", byte);
    } else if (byte < 0x20 || byte >= 0x7F) {
      text_format(text, "\\u%04x", byte);
    } else {
      text_add(text, data + i, 1);
    }
  }
  text_add(text, "\"", 1);
}

static void text_json_string(Text *text, const char *string) { text_json(text, string, strlen(string)); }

/* ------------------------------------------------------------------ files, clocks */

static bool write_all(int fd, const void *data, size_t size) {
  const char *at = data;
  while (size > 0) {
    ssize_t written = write(fd, at, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    at += written;
    size -= (size_t)written;
  }
  return true;
}

/* The whole file in memory the caller frees, or NULL with errno, EFBIG where it is larger than that. A NUL byte is
 * added after the end. */
static char *read_file(const char *path, size_t largest, size_t *size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return NULL;
  struct stat status = {0};
  if (fstat(fd, &status) != 0 || (size_t)status.st_size > largest) {
    int why = (size_t)status.st_size > largest ? EFBIG : errno;
    close(fd);
    errno = why;
    return NULL;
  }
  size_t room = (size_t)status.st_size, have = 0;
  char *data = need(malloc(room + 1));
  while (have < room) {
    ssize_t got = read(fd, data + have, room - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    have += (size_t)got;
  }
  close(fd);
  data[have] = '\0';
  *size = have;
  return data;
}

static double clock_s(clockid_t which) {
  struct timespec now;
  clock_gettime(which, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double monotonic_s(void) { return clock_s(CLOCK_MONOTONIC); }

/* ------------------------------------------------------------------ SHA-256 (FIPS 180-4) */

typedef struct {
  uint32_t state[8];
  uint64_t bits;
  uint8_t block[64];
  size_t fill;
} Sha256;

static uint32_t rotate(uint32_t x, int n) { return (x >> n) | (x << (32 - n)); }

static void sha256_block(Sha256 *sha, const uint8_t *block) {
  static const uint32_t k[64] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
      0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
      0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
      0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
      0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
      0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
      0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
      0xc67178f2};
  uint32_t w[64], s[8];
  for (int i = 0; i < 16; i++) {
    w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
           (uint32_t)block[4 * i + 3];
  }
  for (int i = 16; i < 64; i++) {
    uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >> 3);
    uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + a + w[i - 7] + b;
  }
  memcpy(s, sha->state, sizeof s);
  for (int i = 0; i < 64; i++) {
    uint32_t e = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
    uint32_t t1 = s[7] + e + ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
    uint32_t a = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
    uint32_t t2 = a + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
    memmove(s + 1, s, 7 * sizeof s[0]);
    s[4] += t1;
    s[0] = t1 + t2;
  }
  for (int i = 0; i < 8; i++) sha->state[i] += s[i];
}

static void sha256_start(Sha256 *sha) {
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(sha->state, start, sizeof start);
  sha->bits = 0;
  sha->fill = 0;
}

static void sha256_add(Sha256 *sha, const void *data, size_t size) {
  const uint8_t *at = data;
  sha->bits += (uint64_t)size * 8;
  while (size > 0) {
    if (sha->fill == 0 && size >= 64) {
      sha256_block(sha, at);
      at += 64;
      size -= 64;
      continue;
    }
    size_t take = 64 - sha->fill < size ? 64 - sha->fill : size;
    memcpy(sha->block + sha->fill, at, take);
    sha->fill += take;
    at += take;
    size -= take;
    if (sha->fill == 64) {
      sha256_block(sha, sha->block);
      sha->fill = 0;
    }
  }
}

static void sha256_hex(Sha256 *sha, char hex[65]) {
  uint64_t bits = sha->bits;
  uint8_t one = 0x80, zero = 0, length[8];
  sha256_add(sha, &one, 1);
  while (sha->fill != 56) sha256_add(sha, &zero, 1);
  for (int i = 0; i < 8; i++) length[i] = (uint8_t)(bits >> (56 - 8 * i));
  sha256_add(sha, length, 8);
  for (int i = 0; i < 8; i++) snprintf(hex + 8 * i, 9, "%08" PRIx32, sha->state[i]);
}

static void sha256_of(const void *data, size_t size, char hex[65]) {
  Sha256 sha;
  sha256_start(&sha);
  sha256_add(&sha, data, size);
  sha256_hex(&sha, hex);
}

static bool is_sha256(const char *text) {
  return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

/* ------------------------------------------------------------------ the manifest */

typedef struct {
  char **objects; /* sha256 of each input, in the order of the file's inputs */
  int count;
} Feed;

typedef struct {
  int id, repeats;
  long deadline_ms;
  const char *name, *model, *options;
  Feed *feeds;
  int feed_count;
} Case;

typedef struct {
  int accelerator, per_child;
  long total_ms, memory_mb;
  Case *cases;
  int count;
  char *text; /* the manifest, which the words of the cases lie in */
} Batch;

/* Undo %XX in place. False for a cut or wrong escape, or an escaped NUL. */
static bool unescape(char *text) {
  char *to = text;
  for (char *from = text; *from != '\0'; from++) {
    if (*from != '%') {
      *to++ = *from;
      continue;
    }
    unsigned value = 0;
    for (int i = 1; i <= 2; i++) {
      char c = from[i];
      int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) return false;
      value = value * 16 + (unsigned)digit;
    }
    if (value == 0) return false;
    *to++ = (char)value;
    from += 2;
  }
  *to = '\0';
  return true;
}

static bool parse_number(const char *text, long low, long high, long *value) {
  char *end;
  errno = 0;
  long parsed = strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || parsed < low || parsed > high) return false;
  *value = parsed;
  return true;
}

/* Split a line at single spaces into `words` (at most `room`, the last of which is all that is left, such as a path with
 * spaces); empty words are kept. */
static int split(char *line, char **words, int room) {
  int count = 0;
  for (char *at = line; at != NULL && count < room;) {
    words[count++] = at;
    at = count < room ? strchr(at, ' ') : NULL;
    if (at != NULL) *at++ = '\0';
  }
  return count;
}

static const char *parse_line(Batch *batch, char *line) {
  int room = 1;
  for (const char *at = line; *at != '\0'; at++) room += *at == ' ';
  char **words = need(malloc(sizeof *words * (size_t)room));
  int count = split(line, words, room);
  const char *problem = NULL;
  long number = 0;
  for (int i = 0; i < count; i++) {
    if (!unescape(words[i])) problem = "a wrong escape";
  }
  if (problem == NULL && strcmp(words[0], "accelerator") == 0 && count == 2) {
    batch->accelerator = strcmp(words[1], "gpu") == 0 ? 2 : strcmp(words[1], "cpu") == 0 ? 1 : 0;
    if (batch->accelerator == 0) problem = "an accelerator that is neither gpu nor cpu";
  } else if (problem == NULL && strcmp(words[0], "total_ms") == 0 && count == 2) {
    if (!parse_number(words[1], 1, 1000000000L, &batch->total_ms)) problem = "a wrong total_ms";
  } else if (problem == NULL && strcmp(words[0], "memory_mb") == 0 && count == 2) {
    if (!parse_number(words[1], 0, 1000000L, &batch->memory_mb)) problem = "a wrong memory_mb";
  } else if (problem == NULL && strcmp(words[0], "per_child") == 0 && count == 2) {
    if (!parse_number(words[1], 1, 1000000L, &number)) problem = "a wrong per_child";
    batch->per_child = (int)number;
  } else if (problem == NULL && strcmp(words[0], "case") == 0 && count == 7) {
    batch->cases = need(realloc(batch->cases, sizeof *batch->cases * (size_t)(batch->count + 1)));
    Case *one = &batch->cases[batch->count++];
    memset(one, 0, sizeof *one);
    if (!parse_number(words[1], 0, 100000000L, &number)) problem = "a wrong case number";
    one->id = (int)number;
    one->name = words[2];
    one->model = words[3];
    if (!is_sha256(one->model)) problem = "a model that is no sha256";
    if (!parse_number(words[4], 1, 1000000000L, &one->deadline_ms)) problem = "a wrong case deadline";
    if (!parse_number(words[5], 1, 1000L, &number)) problem = "a wrong number of repeats";
    one->repeats = (int)number;
    one->options = words[6];
  } else if (problem == NULL && strcmp(words[0], "feed") == 0 && batch->count > 0) {
    Case *one = &batch->cases[batch->count - 1];
    one->feeds = need(realloc(one->feeds, sizeof *one->feeds * (size_t)(one->feed_count + 1)));
    Feed *feed = &one->feeds[one->feed_count++];
    feed->count = count - 1;
    feed->objects = need(malloc(sizeof *feed->objects * (size_t)count));
    for (int i = 1; i < count; i++) {
      feed->objects[i - 1] = words[i];
      if (!is_sha256(words[i])) problem = "an input that is no sha256";
    }
  } else if (problem == NULL) {
    problem = "an unknown line";
  }
  free(words); /* the words themselves live in the manifest's text */
  return problem;
}

/* Parses `text` in place; the batch points into it. Returns NULL, or what is wrong (with the line in *number). */
static const char *parse_manifest(char *text, Batch *batch, int *number) {
  *batch = (Batch){.accelerator = 2, .per_child = 1, .total_ms = 600000};
  *number = 0;
  bool ended = false;
  for (char *line = text; line != NULL && *line != '\0';) {
    char *next = strchr(line, '\n');
    if (next == NULL) return "a line that is cut off";
    *next++ = '\0';
    ++*number;
    if (*number == 1) {
      if (strcmp(line, "mali-delegate-repro-batch 1") != 0) return "another format";
    } else if (ended) {
      return "lines after the end";
    } else if (strcmp(line, "end") == 0) {
      ended = true;
    } else {
      const char *problem = parse_line(batch, line);
      if (problem != NULL) return problem;
    }
    line = next;
  }
  return ended ? NULL : "no end: it was cut off";
}

static void free_batch(Batch *batch) {
  for (int i = 0; i < batch->count; i++) {
    for (int f = 0; f < batch->cases[i].feed_count; f++) free(batch->cases[i].feeds[f].objects);
    free(batch->cases[i].feeds);
  }
  free(batch->cases);
  free(batch->text);
}

/* ------------------------------------------------------------------ LiteRT by dlopen */

typedef struct {
  int type; /* 2 int, 8 string: litert_any.h */
  union {
    int64_t number;
    const char *string;
  } value;
} Any;

typedef struct {
  int tag; /* 22 RuntimeLibraryDir, 25 MinLoggerSeverity: litert_environment_options.h */
  Any value;
} EnvironmentOption;

typedef struct {
  unsigned rank : 7, has_strides : 1;
  int32_t dimensions[8];
  uint32_t strides[8];
} Layout;

typedef struct {
  int element_type;
  Layout layout;
} RankedType;

/* One row a function; each is cast to its exact type where it is called. */
enum {
  CREATE_ENVIRONMENT, MODEL_FROM_BUFFER, DESTROY_MODEL, GET_SIGNATURE, SIGNATURE_SUBGRAPH, NUM_INPUTS, NUM_OUTPUTS,
  SUBGRAPH_INPUT, SUBGRAPH_OUTPUT, NUM_SIGNATURE_INPUTS, NUM_SIGNATURE_OUTPUTS, SIGNATURE_INPUT, SIGNATURE_OUTPUT,
  TENSOR_NAME, RANKED_TYPE, CREATE_OPTIONS, SET_ACCELERATORS, CREATE_OPAQUE, ADD_OPAQUE, DESTROY_OPTIONS, COMPILE,
  DESTROY_COMPILED, INPUT_REQUIREMENTS, OUTPUT_REQUIREMENTS, CREATE_BUFFER, DESTROY_BUFFER, LOCK, UNLOCK, RUN,
  FULLY_ACCELERATED, CALLS
};

static const char *const call_names[CALLS] = {
    "LiteRtCreateEnvironment", "LiteRtCreateModelFromBuffer", "LiteRtDestroyModel", "LiteRtGetModelSignature",
    "LiteRtGetSignatureSubgraph", "LiteRtGetNumSubgraphInputs", "LiteRtGetNumSubgraphOutputs",
    "LiteRtGetSubgraphInput", "LiteRtGetSubgraphOutput", "LiteRtGetNumSignatureInputs",
    "LiteRtGetNumSignatureOutputs", "LiteRtGetSignatureInputTensorByIndex", "LiteRtGetSignatureOutputTensorByIndex",
    "LiteRtGetTensorName", "LiteRtGetRankedTensorType", "LiteRtCreateOptions",
    "LiteRtSetOptionsHardwareAccelerators", "LiteRtCreateOpaqueOptions", "LiteRtAddOpaqueOptions",
    "LiteRtDestroyOptions", "LiteRtCreateCompiledModel", "LiteRtDestroyCompiledModel",
    "LiteRtGetCompiledModelInputBufferRequirements", "LiteRtGetCompiledModelOutputBufferRequirements",
    "LiteRtCreateManagedTensorBufferFromRequirements", "LiteRtDestroyTensorBuffer", "LiteRtLockTensorBuffer",
    "LiteRtUnlockTensorBuffer", "LiteRtRunCompiledModel", "LiteRtCompiledModelIsFullyAccelerated"};

typedef struct {
  void *library;
  void *calls[CALLS];
  bool model_takes_environment;
  const char *library_dir;
  void *environment;
} LiteRt;

/* Class and machine of an ELF file as one number; -1 for what is none. */
static int elf_kind(const char *path) {
  unsigned char head[20];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t got = read(fd, head, sizeof head);
  close(fd);
  if (got != (ssize_t)sizeof head || memcmp(head, "\177ELF", 4) != 0) return -1;
  return head[4] << 16 | head[18] | head[19] << 8;
}

/* Why dlopen failed, sorted for the host: what the user must do differs. The loaders' own words do not
 * tell: glibc says "No such file" of a library for another machine that lies right there. */
static const char *load_problem(const char *path, const char *error) {
  if (access(path, F_OK) != 0) return "missing_library";
  int kind = elf_kind(path);
  if (kind >= 0 && kind != elf_kind("/proc/self/exe")) return "wrong_abi";
  if (strstr(error, "not found") != NULL || strstr(error, "cannot open shared") != NULL) return "missing_library";
  if (strstr(error, "map") != NULL && strstr(error, "ermi") != NULL) return "noexec";
  return "bad_library";
}

#define CALL(lib, which, type) ((type)(lib)->calls[which])
typedef int (*Call1)(void *);
typedef int (*Call2)(void *, void *);

/* ------------------------------------------------------------------ one case, in the child */

typedef struct {
  int dtype_size, rank, element_type;
  const char *name;
  int32_t shape[8];
  size_t bytes, index; /* index: in the signature's order, which may differ from the file's */
  RankedType ranked;
} Tensor;

typedef struct {
  const LiteRt *lib;
  const Case *one;
  const char *objects;
  char *model_data;
  void *model, *options, *compiled;
  Tensor *inputs, *outputs;
  void **input_buffers, **output_buffers; /* in the signature's order */
  size_t input_count, output_count, input_slots, output_slots;
  char status[24], message[400];
  double load_s, compile_s, first_run_s, repeat_run_s, read_s;
  int fully_accelerated; /* -1 unknown */
  char **results;        /* [feed * output_count + output], the first repeat's bytes */
} Work;

static const char *const dtype_names[] = {"",     "float32",   "int32", "uint8",   "int64",   "",
                                          "bool", "int16",     "complex64", "int8", "float16", "float64",
                                          "",     "uint64",    "",      "",        "uint32",  "uint16"};
static const int dtype_sizes[] = {0, 4, 4, 1, 8, 0, 1, 2, 8, 1, 2, 8, 0, 8, 0, 0, 4, 2};

__attribute__((format(printf, 3, 4))) static bool fail(Work *work, const char *status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(work->message, sizeof work->message, format, arguments);
  va_end(arguments);
  snprintf(work->status, sizeof work->status, "%s", status);
  return false;
}

static bool check(Work *work, const char *step, int which, int status) {
  if (status == 0) return true;
  return fail(work, "refused", "%s: %s returned status %d", step, call_names[which], status);
}

static bool describe_tensor(Work *work, void *tensor, Tensor *into, const char *kind, size_t number) {
  const LiteRt *lib = work->lib;
  const char *name = NULL;
  if (!check(work, "not loaded", TENSOR_NAME,
             CALL(lib, TENSOR_NAME, int (*)(void *, const char **))(tensor, &name)) ||
      !check(work, "not loaded", RANKED_TYPE,
             CALL(lib, RANKED_TYPE, int (*)(void *, RankedType *))(tensor, &into->ranked))) {
    return false;
  }
  into->name = name != NULL ? name : "";
  into->element_type = into->ranked.element_type;
  into->rank = (int)into->ranked.layout.rank;
  int type = into->element_type;
  if (type < 0 || (size_t)type >= sizeof dtype_sizes / sizeof dtype_sizes[0] || dtype_sizes[type] == 0) {
    return fail(work, "refused", "%s %zu has element type %d, which cannot be read here", kind, number, type);
  }
  if (into->rank > 8) return fail(work, "refused", "%s %zu has rank %d", kind, number, into->rank);
  into->dtype_size = dtype_sizes[type];
  into->bytes = (size_t)into->dtype_size;
  for (int i = 0; i < into->rank; i++) {
    into->shape[i] = into->ranked.layout.dimensions[i];
    if (into->shape[i] < 0) {
      return fail(work, "refused", "%s %zu has a dynamic shape; give it a fixed one", kind, number);
    }
    into->bytes *= (size_t)into->shape[i];
  }
  return true;
}

/* Tensors in the file's order, each with its place in the signature. */
static Tensor *describe_ends(Work *work, void *signature, void *subgraph, bool inputs, size_t *count, size_t *slots) {
  const LiteRt *lib = work->lib;
  typedef int (*Count)(void *, size_t *);
  typedef int (*Get)(void *, size_t, void **);
  int num = inputs ? NUM_INPUTS : NUM_OUTPUTS, num_signed = inputs ? NUM_SIGNATURE_INPUTS : NUM_SIGNATURE_OUTPUTS;
  int get = inputs ? SUBGRAPH_INPUT : SUBGRAPH_OUTPUT, get_signed = inputs ? SIGNATURE_INPUT : SIGNATURE_OUTPUT;
  const char *kind = inputs ? "input" : "output";
  if (!check(work, "not loaded", num, CALL(lib, num, Count)(subgraph, count)) ||
      !check(work, "not loaded", num_signed, CALL(lib, num_signed, Count)(signature, slots))) {
    return NULL;
  }
  Tensor *found = need(calloc(*count + 1, sizeof *found));
  bool *used = need(calloc(*slots + 1, sizeof *used));
  bool good = true;
  for (size_t i = 0; good && i < *count; i++) {
    void *tensor = NULL;
    good = check(work, "not loaded", get, CALL(lib, get, Get)(subgraph, i, &tensor));
    size_t place = SIZE_MAX;
    for (size_t s = 0; good && s < *slots; s++) {
      void *other = NULL;
      good = check(work, "not loaded", get_signed, CALL(lib, get_signed, Get)(signature, s, &other));
      if (good && other == tensor && (place == SIZE_MAX || (used[place] && !used[s]))) place = s;
    }
    if (good && place == SIZE_MAX) good = fail(work, "refused", "not loaded: %s %zu is not in the signature", kind, i);
    good = good && describe_tensor(work, tensor, &found[i], kind, i);
    if (good) {
      found[i].index = place;
      used[place] = true;
    }
  }
  free(used);
  if (good) return found;
  free(found);
  return NULL;
}

static bool load_model(Work *work) {
  const LiteRt *lib = work->lib;
  char path[4096], hex[65];
  size_t size = 0;
  snprintf(path, sizeof path, "%s/%s", work->objects, work->one->model);
  work->model_data = read_file(path, SIZE_MAX, &size);
  if (work->model_data == NULL) return fail(work, "damaged_object", "%s: %s", work->one->model, strerror(errno));
  sha256_of(work->model_data, size, hex);
  if (strcmp(hex, work->one->model) != 0) {
    return fail(work, "damaged_object", "%s holds other bytes (sha256 %s)", work->one->model, hex);
  }
  int status = lib->model_takes_environment
                   ? CALL(lib, MODEL_FROM_BUFFER, int (*)(void *, const void *, size_t, void **))(
                         lib->environment, work->model_data, size, &work->model)
                   : CALL(lib, MODEL_FROM_BUFFER, int (*)(const void *, size_t, void **))(work->model_data, size,
                                                                                         &work->model);
  if (!check(work, "not loaded", MODEL_FROM_BUFFER, status)) return false;
  void *signature = NULL, *subgraph = NULL;
  if (!check(work, "not loaded", GET_SIGNATURE,
             CALL(lib, GET_SIGNATURE, int (*)(void *, size_t, void **))(work->model, 0, &signature)) ||
      !check(work, "not loaded", SIGNATURE_SUBGRAPH,
             CALL(lib, SIGNATURE_SUBGRAPH, int (*)(void *, void **))(signature, &subgraph))) {
    return false;
  }
  work->inputs = describe_ends(work, signature, subgraph, true, &work->input_count, &work->input_slots);
  if (work->inputs == NULL) return false;
  work->outputs = describe_ends(work, signature, subgraph, false, &work->output_count, &work->output_slots);
  return work->outputs != NULL;
}

static bool compile_model(Work *work, int accelerator) {
  const LiteRt *lib = work->lib;
  if (!check(work, "not compiled", CREATE_OPTIONS, CALL(lib, CREATE_OPTIONS, int (*)(void **))(&work->options)) ||
      !check(work, "not compiled", SET_ACCELERATORS,
             CALL(lib, SET_ACCELERATORS, int (*)(void *, int))(work->options, accelerator))) {
    return false;
  }
  if (work->one->options[0] != '\0') {
    void *opaque = NULL;
    char *payload = need(strdup(work->one->options)); /* LiteRT frees it through the destructor */
    int status = CALL(lib, CREATE_OPAQUE, int (*)(const char *, void *, void (*)(void *), void **))(
        "gpu_options", payload, free, &opaque);
    if (!check(work, "not compiled", CREATE_OPAQUE, status) ||
        !check(work, "not compiled", ADD_OPAQUE, CALL(lib, ADD_OPAQUE, Call2)(work->options, opaque))) {
      return false;
    }
  }
  return check(work, "not compiled", COMPILE,
               CALL(lib, COMPILE, int (*)(void *, void *, void *, void **))(lib->environment, work->model,
                                                                            work->options, &work->compiled));
}

static void **create_buffers(Work *work, const Tensor *tensors, size_t count, size_t slots, int which) {
  const LiteRt *lib = work->lib;
  void **buffers = need(calloc(slots + 1, sizeof *buffers));
  for (size_t i = 0; i < count; i++) {
    size_t slot = tensors[i].index;
    if (buffers[slot] != NULL) continue;
    void *requirements = NULL;
    RankedType type = tensors[i].ranked;
    if (!check(work, "no buffers", which,
               CALL(lib, which, int (*)(void *, size_t, size_t, void **))(work->compiled, 0, slot, &requirements)) ||
        !check(work, "no buffers", CREATE_BUFFER,
               CALL(lib, CREATE_BUFFER, int (*)(void *, const RankedType *, void *, void **))(
                   lib->environment, &type, requirements, &buffers[slot]))) {
      for (size_t s = 0; s < slots; s++) {
        if (buffers[s] != NULL) CALL(lib, DESTROY_BUFFER, void (*)(void *))(buffers[s]);
      }
      free(buffers);
      return NULL;
    }
  }
  return buffers;
}

enum { FOR_READING = 0, FOR_WRITING = 1 };

static bool copy_buffer(Work *work, void *buffer, int mode, void *data, size_t size) {
  const LiteRt *lib = work->lib;
  void *address = NULL;
  if (!check(work, "not run", LOCK, CALL(lib, LOCK, int (*)(void *, void **, int))(buffer, &address, mode))) {
    return false;
  }
  if (mode == FOR_WRITING) {
    memcpy(address, data, size);
  } else {
    memcpy(data, address, size);
  }
  return check(work, "not run", UNLOCK, CALL(lib, UNLOCK, Call1)(buffer));
}

static bool write_inputs(Work *work, const Feed *feed) {
  if ((size_t)feed->count != work->input_count) {
    return fail(work, "refused", "the model has %zu inputs, %d arrays were given", work->input_count, feed->count);
  }
  for (size_t i = 0; i < work->input_count; i++) {
    char path[4096], hex[65];
    size_t size = 0;
    snprintf(path, sizeof path, "%s/%s", work->objects, feed->objects[i]);
    char *data = read_file(path, SIZE_MAX, &size);
    if (data == NULL) return fail(work, "damaged_object", "%s: %s", feed->objects[i], strerror(errno));
    sha256_of(data, size, hex);
    bool good = true;
    if (strcmp(hex, feed->objects[i]) != 0) {
      good = fail(work, "damaged_object", "%s holds other bytes (sha256 %s)", feed->objects[i], hex);
    } else if (size != work->inputs[i].bytes) {
      good = fail(work, "refused", "input %zu '%.100s' is %zu bytes, was given %zu", i, work->inputs[i].name,
                  work->inputs[i].bytes, size);
    }
    good = good && copy_buffer(work, work->input_buffers[work->inputs[i].index], FOR_WRITING, data, size);
    free(data);
    if (!good) return false;
  }
  return true;
}

static bool fill_outputs(Work *work) {
  for (size_t i = 0; i < work->output_count; i++) {
    size_t size = work->outputs[i].bytes, words = (size + 3) / 4;
    uint32_t *pattern = need(malloc((words + 1) * 4));
    for (size_t w = 0; w < words; w++) pattern[w] = SENTINEL_BITS;
    bool good = copy_buffer(work, work->output_buffers[work->outputs[i].index], FOR_WRITING, pattern, size);
    free(pattern);
    if (!good) return false;
  }
  return true;
}

/* Runs all feeds and repeats. `differ` gets, for each feed, how many bytes differed between repeats. */
static bool run_feeds(Work *work, size_t *differ) {
  const LiteRt *lib = work->lib;
  int later = 0, reads = 0;
  for (int f = 0; f < work->one->feed_count; f++) {
    for (int r = 0; r < work->one->repeats; r++) {
      if (!write_inputs(work, &work->one->feeds[f]) || !fill_outputs(work)) return false;
      double started = monotonic_s();
      int status = CALL(lib, RUN, int (*)(void *, size_t, size_t, void **, size_t, void **))(
          work->compiled, 0, work->input_slots, work->input_buffers, work->output_slots, work->output_buffers);
      if (!check(work, "not run", RUN, status)) return false;
      double finished = 0;
      for (size_t i = 0; i < work->output_count; i++) {
        size_t size = work->outputs[i].bytes;
        char *data = need(malloc(size + 1));
        if (!copy_buffer(work, work->output_buffers[work->outputs[i].index], FOR_READING, data, size)) {
          free(data);
          return false;
        }
        /* The GPU's call returns before its work is done: the first read is what waits for it. */
        if (i == 0) finished = monotonic_s();
        char **kept = &work->results[(size_t)f * work->output_count + i];
        if (*kept == NULL) {
          *kept = data;
        } else {
          for (size_t b = 0; b < size; b++) differ[f] += data[b] != (*kept)[b];
          free(data);
        }
      }
      if (finished == 0) finished = monotonic_s();
      work->read_s += monotonic_s() - finished;
      reads++;
      if (f == 0 && r == 0) {
        work->first_run_s = finished - started;
      } else {
        work->repeat_run_s += finished - started;
        later++;
      }
    }
  }
  if (reads > 0) work->read_s /= reads;
  if (later > 0) work->repeat_run_s /= later;
  return true;
}

static bool same_feed(const Feed *a, const Feed *b) {
  if (a->count != b->count) return false;
  for (int i = 0; i < a->count; i++) {
    if (strcmp(a->objects[i], b->objects[i]) != 0) return false;
  }
  return true;
}

/* All outputs, feed after feed, in one file that appears whole or not at all. False with errno. */
static bool save_outputs(Work *work, const char *batch_dir, char hex[65], size_t *total) {
  char final[4096], scratch[4096];
  snprintf(final, sizeof final, "%s/out/%d", batch_dir, work->one->id);
  snprintf(scratch, sizeof scratch, "%s/out/%d.part", batch_dir, work->one->id);
  int fd = open(scratch, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  Sha256 sha;
  sha256_start(&sha);
  *total = 0;
  bool good = true;
  for (int f = 0; good && f < work->one->feed_count; f++) {
    for (size_t i = 0; good && i < work->output_count; i++) {
      const char *data = work->results[(size_t)f * work->output_count + i];
      sha256_add(&sha, data, work->outputs[i].bytes);
      good = write_all(fd, data, work->outputs[i].bytes);
      *total += work->outputs[i].bytes;
    }
  }
  int why = errno;
  if (close(fd) != 0 && good) {
    good = false;
    why = errno;
  }
  if (good && rename(scratch, final) != 0) {
    good = false;
    why = errno;
  }
  if (!good) unlink(scratch);
  sha256_hex(&sha, hex);
  errno = why;
  return good;
}

static void report_outputs(Work *work, const size_t *differ, Text *line) {
  text_format(line, ",\"outputs\":[");
  for (size_t i = 0; i < work->output_count; i++) {
    const Tensor *tensor = &work->outputs[i];
    text_format(line, "%s{\"name\":", i ? "," : "");
    text_json_string(line, tensor->name);
    text_format(line, ",\"dtype\":\"%s\",\"shape\":[", dtype_names[tensor->element_type]);
    for (int d = 0; d < tensor->rank; d++) text_format(line, "%s%d", d ? "," : "", tensor->shape[d]);
    text_format(line, "],\"unwritten\":[");
    for (int f = 0; f < work->one->feed_count; f++) {
      const char *data = work->results[(size_t)f * work->output_count + i];
      size_t words = 0;
      for (size_t w = 0; w + 4 <= tensor->bytes; w += 4) {
        uint32_t word;
        memcpy(&word, data + w, 4);
        words += word == SENTINEL_BITS;
      }
      text_format(line, "%s%zu", f ? "," : "", words);
    }
    text_format(line, "]}");
  }
  text_format(line, "],\"repeats_differ\":[");
  for (int f = 0; f < work->one->feed_count; f++) text_format(line, "%s%zu", f ? "," : "", differ[f]);
  text_format(line, "],\"same_feeds\":[");
  const char *comma = "";
  for (int f = 1; f < work->one->feed_count; f++) {
    for (int e = 0; e < f; e++) {
      if (!same_feed(&work->one->feeds[e], &work->one->feeds[f])) continue;
      size_t bytes = 0;
      for (size_t i = 0; i < work->output_count; i++) {
        const char *a = work->results[(size_t)e * work->output_count + i];
        const char *b = work->results[(size_t)f * work->output_count + i];
        for (size_t k = 0; k < work->outputs[i].bytes; k++) bytes += a[k] != b[k];
      }
      text_format(line, "%s{\"feed\":%d,\"of\":%d,\"differ\":%zu}", comma, f, e, bytes);
      comma = ",";
      break;
    }
  }
  text_format(line, "]");
}

static void add_log(Text *line, const char *path) {
  size_t size = 0;
  char *log = read_file(path, SIZE_MAX, &size);
  text_format(line, ",\"log\":");
  if (log == NULL) {
    text_json_string(line, "");
    return;
  }
  size_t skip = size > LOG_BYTES ? size - LOG_BYTES : 0;
  text_json(line, log + skip, size - skip);
  free(log);
}

static void close_work(Work *work) {
  const LiteRt *lib = work->lib;
  typedef void (*Destroy)(void *);
  for (size_t s = 0; work->input_buffers != NULL && s < work->input_slots; s++) {
    if (work->input_buffers[s] != NULL) CALL(lib, DESTROY_BUFFER, Destroy)(work->input_buffers[s]);
  }
  for (size_t s = 0; work->output_buffers != NULL && s < work->output_slots; s++) {
    if (work->output_buffers[s] != NULL) CALL(lib, DESTROY_BUFFER, Destroy)(work->output_buffers[s]);
  }
  if (work->compiled != NULL) CALL(lib, DESTROY_COMPILED, Destroy)(work->compiled);
  if (work->options != NULL) CALL(lib, DESTROY_OPTIONS, Destroy)(work->options);
  if (work->model != NULL) CALL(lib, DESTROY_MODEL, Destroy)(work->model);
  if (work->results != NULL) {
    for (size_t i = 0; i < (size_t)work->one->feed_count * work->output_count; i++) free(work->results[i]);
  }
  free(work->results);
  free(work->input_buffers);
  free(work->output_buffers);
  free(work->inputs);
  free(work->outputs);
  free(work->model_data);
}

static bool run_steps(Work *work, int accelerator, size_t *differ) {
  double started = monotonic_s();
  if (!load_model(work)) return false;
  work->load_s = monotonic_s() - started;
  work->results = need(calloc((size_t)work->one->feed_count * work->output_count + 1, sizeof *work->results));
  started = monotonic_s();
  if (!compile_model(work, accelerator)) return false;
  work->input_buffers =
      create_buffers(work, work->inputs, work->input_count, work->input_slots, INPUT_REQUIREMENTS);
  if (work->input_buffers == NULL) return false;
  work->output_buffers =
      create_buffers(work, work->outputs, work->output_count, work->output_slots, OUTPUT_REQUIREMENTS);
  if (work->output_buffers == NULL) return false;
  work->compile_s = monotonic_s() - started;
  if (accelerator == 2) {
    bool fully = false;
    int status = CALL(work->lib, FULLY_ACCELERATED, int (*)(void *, bool *))(work->compiled, &fully);
    if (!check(work, "not run", FULLY_ACCELERATED, status)) return false;
    work->fully_accelerated = fully;
  }
  return run_feeds(work, differ);
}

/* One case to one JSON line (without its newline). */
static void run_case(const LiteRt *lib, const Batch *batch, const Case *one, const char *batch_dir,
                     const char *objects, const char *log_path, Text *line) {
  Work work = {.lib = lib, .one = one, .objects = objects, .fully_accelerated = -1};
  snprintf(work.status, sizeof work.status, "ok");
  size_t *differ = need(calloc((size_t)one->feed_count + 1, sizeof *differ));
  bool ran = run_steps(&work, batch->accelerator, differ);
  char hex[65] = "";
  size_t total = 0;
  if (ran && !save_outputs(&work, batch_dir, hex, &total)) {
    ran = fail(&work, errno == ENOSPC ? "disk_full" : "storage", "out/%d: %s", one->id, strerror(errno));
  }
  text_format(line, "{\"id\":%d,\"status\":\"%s\",\"message\":", one->id, work.status);
  text_json_string(line, work.message);
  if (work.fully_accelerated >= 0) {
    text_format(line, ",\"fully_accelerated\":%s", work.fully_accelerated ? "true" : "false");
  }
  if (ran) {
    text_format(line, ",\"sha256\":\"%s\",\"bytes\":%zu", hex, total);
    report_outputs(&work, differ, line);
    text_format(line, ",\"stages\":{\"load\":%.6f,\"compile\":%.6f,\"first_run\":%.6f,\"read\":%.6f", work.load_s,
                work.compile_s, work.first_run_s, work.read_s);
    if (work.repeat_run_s > 0) text_format(line, ",\"repeat_run\":%.6f", work.repeat_run_s);
    text_format(line, "}");
  }
  fflush(NULL);
  add_log(line, log_path);
  text_format(line, ",\"clock\":%.3f}", clock_s(CLOCK_REALTIME) - monotonic_s());
  free(differ);
  close_work(&work);
}

/* One line of a request without its newline; false at the end of what is asked, or for what is no line. */
static bool read_line(int fd, char *line, size_t room) {
  for (size_t size = 0; size < room; size++) {
    ssize_t got;
    while ((got = read(fd, line + size, 1)) < 0 && errno == EINTR) continue;
    if (got != 1) return false;
    if (line[size] == '\n') {
      line[size] = '\0';
      return true;
    }
  }
  return false;
}

/* Manifest of a batch, parsed; batch->text has to be freed behind it. NULL, or what is wrong. */
static const char *load_batch(const char *batch_dir, Batch *batch, int *line_number) {
  char path[4096];
  size_t size = 0;
  *line_number = 0;
  snprintf(path, sizeof path, "%s/manifest", batch_dir);
  char *text = read_file(path, SIZE_MAX, &size);
  if (text == NULL) return strerror(errno);
  const char *problem = strlen(text) != size ? "a NUL byte" : parse_manifest(text, batch, line_number);
  batch->text = text;
  return problem;
}

/* The child: opens LiteRT's environment, then runs what it is asked for, "FIRST LAST BATCH_DIR\n", until it is asked
 * for nothing more. It tells the parent through `reply_fd`. */
static void serve(LiteRt *lib, const char *objects, const char *log_path, int ask_fd, int reply_fd, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(EXIT_UNHEARD);
  int log_fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
  int null_fd = open("/dev/null", O_RDONLY);
  if (log_fd < 0 || null_fd < 0) _exit(EXIT_STORAGE);
  dup2(null_fd, STDIN_FILENO);
  dup2(log_fd, STDOUT_FILENO);
  dup2(log_fd, STDERR_FILENO);
  EnvironmentOption options[2] = {{22, {8, {.string = lib->library_dir}}}, {25, {2, {.number = 0}}}};
  int status = CALL(lib, CREATE_ENVIRONMENT, int (*)(int, const EnvironmentOption *, void **))(2, options,
                                                                                               &lib->environment);
  Text line = {0};
  if (status != 0) {
    text_format(&line, "E LiteRtCreateEnvironment returned status %d\n", status);
    write_all(reply_fd, line.data, line.size);
    _exit(EXIT_NO_RUNTIME);
  }
  char request[LONGEST_HEADER];
  for (bool fresh = true; read_line(ask_fd, request, sizeof request);) {
    Batch batch;
    char *words[3];
    long first, last;
    int line_number;
    if (split(request, words, 3) != 3 || !parse_number(words[0], 0, INT32_MAX, &first) ||
        !parse_number(words[1], 0, INT32_MAX, &last) || load_batch(words[2], &batch, &line_number) != NULL ||
        last > batch.count) {
      _exit(EXIT_BAD_MANIFEST);
    }
    for (long i = first; i < last; i++) {
      line.size = 0;
      text_format(&line, "S\n");
      if (!write_all(reply_fd, line.data, line.size)) _exit(EXIT_UNHEARD);
      /* The environment's own lines stay in the first case's log: they name the adapter. */
      if (!fresh && ftruncate(log_fd, 0) != 0) _exit(EXIT_STORAGE);
      fresh = false;
      line.size = 0;
      text_format(&line, "R ");
      run_case(lib, &batch, &batch.cases[i], words[2], objects, log_path, &line);
      text_add(&line, "\n", 1);
      if (!write_all(reply_fd, line.data, line.size)) _exit(EXIT_UNHEARD);
    }
    free_batch(&batch);
  }
  free(line.data);
  _exit(0); /* not exit(): destructors of a driver may hang or crash, and nothing is left to save */
}

/* ------------------------------------------------------------------ the parent */

typedef struct {
  pid_t pid; /* 0: there is none */
  int ask_fd, reply_fd;
  int served;
  Text heard; /* what it has said and is not read yet */
} Child;

typedef struct {
  LiteRt lib;
  const char *objects;
  char log_path[4096];
  pid_t shell; /* who started us; when it is gone nobody listens */
  bool resident;
  Child child;
  /* Of the batch in hand. */
  const Batch *batch;
  const char *batch_dir;
  int results_fd;
  double total_deadline;
} Runner;

static void say(const Text *line) {
  if (!write_all(STDOUT_FILENO, line->data, line->size)) _exit(EXIT_UNHEARD);
}

__attribute__((format(printf, 2, 3))) static void say_error(const char *kind, const char *format, ...) {
  char message[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  Text line = {0};
  text_format(&line, "{\"event\":\"error\",\"kind\":\"%s\",\"message\":", kind);
  text_json_string(&line, message);
  text_format(&line, "}\n");
  say(&line);
  free(line.data);
}

/* Keep a case's line on the device, then print it, behind its outputs where they go along. A full disk is the
 * device's failure, not the model's. */
static void keep(Runner *runner, Text *line, int id) {
  text_add(line, "\n", 1);
  if (!write_all(runner->results_fd, line->data, line->size)) {
    const char *kind = errno == ENOSPC ? "disk_full" : "storage";
    say_error(kind, "results cannot be written: %s", strerror(errno));
    _exit(EXIT_STORAGE);
  }
  Text whole = {0};
  if (runner->resident) {
    char path[4096];
    size_t size = 0;
    snprintf(path, sizeof path, "%s/out/%d", runner->batch_dir, id);
    char *outputs = read_file(path, LARGEST_INLINE, &size);
    if (outputs != NULL) {
      text_format(&whole, "{\"event\":\"outputs\",\"id\":%d,\"bytes\":%zu}\n", id, size);
      text_add(&whole, outputs, size);
      free(outputs);
    }
  }
  text_add(&whole, line->data, line->size);
  say(&whole);
  free(whole.data);
}

static long resident_mb(pid_t child) {
  char path[64];
  size_t size;
  snprintf(path, sizeof path, "/proc/%d/statm", (int)child);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[128];
  ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  if (got <= 0) return 0;
  text[got] = '\0';
  size = 0;
  return sscanf(text, "%*s %zu", &size) == 1 ? (long)(size * (size_t)sysconf(_SC_PAGESIZE) >> 20) : 0;
}

typedef struct {
  int done;           /* cases that answered */
  bool in_flight;     /* a case had begun and did not answer */
  bool shared;        /* its process had served others before */
  char ended[24];     /* "", "crash", "hang", "start", "deadline" */
  char message[200];
} Served;

/* The model's process wrote over our replies, into a descriptor that is not its own. */
static void say_no_reply(Served *served) {
  snprintf(served->ended, sizeof served->ended, served->in_flight ? "crash" : "start");
  snprintf(served->message, sizeof served->message, "the process wrote what is no reply into the runner's pipe");
}

/* Take whole lines out of what the child said: S (a case begins), R (its result), E (no runtime). Returns the new
 * deadline, which moves only where a case in its turn begins or ends: what a child says beyond that buys it no time. */
static double take_replies(Runner *runner, Served *served, int first, int last, double deadline) {
  Text *heard = &runner->child.heard;
  char *newline;
  size_t used = 0;
  while (served->ended[0] == '\0' && first + served->done < last && heard->size > used &&
         (newline = memchr(heard->data + used, '\n', heard->size - used)) != NULL) {
    char *begin = heard->data + used;
    size_t size = (size_t)(newline - begin);
    const Case *one = &runner->batch->cases[first + served->done];
    /* The clock is read anew each time: printing an answer waits for whoever reads it. */
    if (begin[0] == 'S' && size == 1 && !served->in_flight) {
      served->in_flight = true;
      deadline = monotonic_s() + (double)one->deadline_ms * 1e-3;
    } else if (begin[0] == 'R' && size > 2 && served->in_flight) {
      Text line = {0};
      text_add(&line, begin + 2, size - 2);
      keep(runner, &line, one->id);
      free(line.data);
      served->in_flight = false;
      served->done++;
      deadline = monotonic_s() + START_MS * 1e-3;
    } else if (begin[0] == 'E') {
      snprintf(served->ended, sizeof served->ended, "start");
      snprintf(served->message, sizeof served->message, "%.*s", (int)(size > 2 ? size - 2 : 0), begin + 2);
    } else {
      say_no_reply(served);
    }
    used += size + 1;
  }
  if (heard->size - used > LONGEST_REPLY) say_no_reply(served);
  if (used > 0) {
    memmove(heard->data, heard->data + used, heard->size - used);
    heard->size -= used;
  }
  return deadline;
}

static void start_child(Runner *runner) {
  Child *child = &runner->child;
  int asks[2], replies[2];
  if (pipe(asks) != 0 || pipe(replies) != 0) {
    say_error("storage", "pipe: %s", strerror(errno));
    _exit(EXIT_STORAGE);
  }
  fflush(NULL);
  pid_t parent = getpid();
  child->pid = fork();
  if (child->pid == 0) {
    close(asks[1]);
    close(replies[0]);
    serve(&runner->lib, runner->objects, runner->log_path, asks[0], replies[1], parent);
  }
  close(asks[0]);
  close(replies[1]);
  if (child->pid < 0) {
    say_error("memory", "fork: %s", strerror(errno));
    _exit(EXIT_STORAGE);
  }
  child->ask_fd = asks[1];
  child->reply_fd = replies[0];
}

/* Returns how it ended. One that had ended by itself keeps its exit status. */
static int end_child(Runner *runner) {
  Child *child = &runner->child;
  int how = 0;
  if (child->pid == 0) return how;
  close(child->ask_fd);
  close(child->reply_fd);
  kill(child->pid, SIGKILL);
  while (waitpid(child->pid, &how, 0) < 0 && errno == EINTR) continue;
  free(child->heard.data);
  *child = (Child){0};
  return how;
}

/* Have the child, or a new one where there is none, run cases [first, last), and pass its answers on until they are
 * all there, or it ends or must be ended. */
static Served run_child(Runner *runner, int first, int last) {
  Child *child = &runner->child;
  if (child->pid == 0) start_child(runner);
  Served served = {.shared = child->served > 0};
  Text request = {0};
  text_format(&request, "%d %d ", first, last);
  text_add(&request, runner->batch_dir, strlen(runner->batch_dir));
  text_add(&request, "\n", 1);
  /* One that has ended meanwhile cannot be asked: the end of what it says tells so below. */
  write_all(child->ask_fd, request.data, request.size);
  free(request.data);
  bool open_end = true;
  double deadline = take_replies(runner, &served, first, last, monotonic_s() + START_MS * 1e-3);
  while (open_end && served.ended[0] == '\0' && served.done < last - first) {
    /* The clock comes before the pipe: a child that always has something to say is still ended in time. */
    double now = monotonic_s();
    long limit = runner->batch->memory_mb;
    if (getppid() != runner->shell) {
      kill(child->pid, SIGKILL);
      _exit(EXIT_UNHEARD);
    } else if (now >= runner->total_deadline) {
      snprintf(served.ended, sizeof served.ended, "deadline");
    } else if (now >= deadline) {
      snprintf(served.ended, sizeof served.ended, served.in_flight ? "hang" : "start");
      snprintf(served.message, sizeof served.message, served.in_flight
               ? "no answer within %.0f s" : "the runtime did not start within %.0f s",
               served.in_flight ? (double)runner->batch->cases[first + served.done].deadline_ms * 1e-3
                                : START_MS * 1e-3);
    } else if (limit > 0 && served.in_flight && resident_mb(child->pid) > limit) {
      snprintf(served.ended, sizeof served.ended, "crash");
      snprintf(served.message, sizeof served.message, "out of memory: grew beyond the limit of %ld MB", limit);
    } else {
      double left = (deadline < runner->total_deadline ? deadline : runner->total_deadline) - now;
      struct pollfd waiting = {.fd = child->reply_fd, .events = POLLIN};
      if (poll(&waiting, 1, left < LOOK_MS * 1e-3 ? (int)(left * 1e3) + 1 : LOOK_MS) > 0) {
        char chunk[65536];
        ssize_t got = read(child->reply_fd, chunk, sizeof chunk);
        if (got > 0) text_add(&child->heard, chunk, (size_t)got);
        if (got == 0) open_end = false;
      }
      deadline = take_replies(runner, &served, first, last, deadline);
    }
  }
  child->served += served.done;
  if (served.done == last - first && served.ended[0] == '\0') return served;
  int how = end_child(runner);
  if (served.ended[0] == '\0') {
    snprintf(served.ended, sizeof served.ended, served.in_flight ? "crash" : "start");
    if (WIFSIGNALED(how)) {
      snprintf(served.message, sizeof served.message, "the process was killed by signal %d%s", WTERMSIG(how),
               WTERMSIG(how) == SIGKILL ? " (the kernel may have been out of memory)" : "");
    } else {
      snprintf(served.message, sizeof served.message, "the process ended with exit code %d", WEXITSTATUS(how));
    }
  }
  return served;
}

static void keep_lost(Runner *runner, const Case *one, const Served *served) {
  Text line = {0};
  text_format(&line, "{\"id\":%d,\"status\":\"%s\",\"message\":", one->id, served->ended);
  text_json_string(&line, served->message);
  add_log(&line, runner->log_path);
  text_format(&line, ",\"clock\":%.3f}", clock_s(CLOCK_REALTIME) - monotonic_s());
  keep(runner, &line, one->id);
  free(line.data);
}

static int run_batch(Runner *runner) {
  int next = 0, starts_failed = 0, finished = 0;
  while (next < runner->batch->count) {
    if (runner->child.served >= runner->batch->per_child) end_child(runner);
    int room = runner->batch->per_child - runner->child.served;
    int last = next + room < runner->batch->count ? next + room : runner->batch->count;
    Served served = run_child(runner, next, last);
    next += served.done;
    finished += served.done;
    if (strcmp(served.ended, "start") == 0) {
      if (++starts_failed < 2) continue;
      say_error("no_start", "%s", served.message);
      return EXIT_NO_RUNTIME;
    }
    starts_failed = 0;
    if (served.ended[0] != '\0' && strcmp(served.ended, "deadline") != 0) {
      if (served.done > 0 || served.shared) { /* its child had run others: try it alone before it is blamed */
        Served alone = run_child(runner, next, next + 1);
        if (alone.done == 1) {
          finished++;
          next++;
          continue;
        }
        served = alone;
      }
      if (strcmp(served.ended, "deadline") != 0) {
        keep_lost(runner, &runner->batch->cases[next], &served);
        finished++;
        next++;
      }
    }
    if (strcmp(served.ended, "deadline") == 0) {
      say_error("deadline", "the batch's %ld ms are over, %d of %d cases done", runner->batch->total_ms, finished,
                runner->batch->count);
      return EXIT_DEADLINE;
    }
  }
  Text line = {0};
  text_format(&line, "{\"event\":\"end\",\"done\":%d,\"clock\":%.3f}\n", finished,
              clock_s(CLOCK_REALTIME) - monotonic_s());
  say(&line);
  free(line.data);
  return 0;
}

/* Unpack what was sent: "<sha256> <size>\n" then the bytes, again and again. NULL, or what is wrong. */
static const char *unpack(char *data, size_t size, const char *objects) {
  const char *problem = NULL;
  for (size_t at = 0; at < size && problem == NULL;) {
    char *newline = memchr(data + at, '\n', size - at);
    if (newline == NULL || newline - (data + at) < 66) {
      problem = "a damaged push: it was cut off";
      break;
    }
    *newline = '\0';
    char *sha = data + at, hex[65], final[4096], scratch[4096 + 8];
    sha[64] = '\0';
    long length = 0;
    size_t start = (size_t)(newline - data) + 1;
    if (!is_sha256(sha) || !parse_number(sha + 65, 0, 2000000000L, &length) || (size_t)length > size - start) {
      problem = "a damaged push: it was cut off";
      break;
    }
    sha256_of(data + start, (size_t)length, hex);
    if (strcmp(hex, sha) != 0) {
      problem = "a damaged push: the bytes are not what was sent";
      break;
    }
    snprintf(final, sizeof final, "%s/%s", objects, sha);
    snprintf(scratch, sizeof scratch, "%s.part", final);
    int fd = open(scratch, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write_all(fd, data + start, (size_t)length);
    int why = errno;
    if (fd >= 0 && close(fd) != 0 && good) {
      good = false;
      why = errno;
    }
    if (!good || rename(scratch, final) != 0) {
      if (good) why = errno;
      unlink(scratch);
      problem = why == ENOSPC ? "disk full" : strerror(why);
    }
    at = start + (size_t)length;
  }
  return problem;
}

static bool open_litert(LiteRt *lib, const char *library_dir) {
  char path[4096];
  snprintf(path, sizeof path, "%s/libLiteRt.so", library_dir);
  lib->library_dir = library_dir;
#ifndef __ANDROID__
  /* A software Vulkan driver's JIT looks its math functions up in the global scope, where a C program that does
   * not link libm has none: lavapipe then jumps to address 0 (seen with LOGISTIC in fp16). */
  if (dlopen("libm.so.6", RTLD_NOW | RTLD_GLOBAL) == NULL) dlerror();
#endif
  lib->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (lib->library == NULL) {
    const char *error = dlerror();
    error = error != NULL ? error : "no reason given";
    say_error(load_problem(path, error), "%s", error);
    return false;
  }
  for (int i = 0; i < CALLS; i++) {
    lib->calls[i] = dlsym(lib->library, call_names[i]);
    if (lib->calls[i] == NULL) {
      say_error("bad_library", "libLiteRt.so has no %s: older than 2.1.3, or another library", call_names[i]);
      return false;
    }
  }
  /* Where the version can say it, CPU kernels do not count as accelerated (from 2.3.0). */
  void *strict = dlsym(lib->library, "LiteRtCompiledModelIsNonCpuFullyAccelerated");
  if (strict != NULL) lib->calls[FULLY_ACCELERATED] = strict;
  lib->model_takes_environment = dlsym(lib->library, "LiteRtCreateModelFromFd") != NULL;
  return true;
}

/* Only one runner works on a session's objects: one that a lost cable left behind is ended. */
static bool take_lock(const char *objects) {
  char path[4096], text[32] = "";
  snprintf(path, sizeof path, "%s/lock", objects);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
    if (errno != EWOULDBLOCK || tries >= 100) return false;
    long pid = 0;
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    if (got > 0) text[got] = '\0';
    /* The lock is held, so the number in it is a living runner of this very session. */
    if (got > 0 && parse_number(text, 2, 1L << 30, &pid)) kill((pid_t)pid, SIGKILL);
    poll(NULL, 0, 50);
  }
  snprintf(text, sizeof text, "%ld", (long)getpid());
  return ftruncate(fd, 0) == 0 && pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text);
  /* fd stays open on purpose: the lock lasts as long as this process */
}

/* "disk_full" or `otherwise`: what the host is told of a failed write. */
static const char *kind_of(int why, const char *otherwise) { return why == ENOSPC ? "disk_full" : otherwise; }

/* What holds for the whole life of the process. 0, or the exit code. */
static int begin(Runner *runner, const char *library_dir) {
  if (strlen(runner->objects) > 3000 || strlen(library_dir) > 3000) {
    say_error("manifest", "a path is too long");
    return EXIT_BAD_MANIFEST;
  }
  signal(SIGPIPE, SIG_IGN);
  if (!take_lock(runner->objects)) {
    say_error(kind_of(errno, "storage"), "the session cannot be locked: %s", strerror(errno));
    return EXIT_STORAGE;
  }
  return 0;
}

/* Put what was sent where the models' processes find it. Frees it. */
static int put_objects(const Runner *runner, char *pack, size_t size) {
  const char *problem = unpack(pack, size, runner->objects);
  free(pack);
  if (problem == NULL) return 0;
  say_error(strcmp(problem, "disk full") == 0 ? "disk_full" : "storage", "unpacking: %s", problem);
  return EXIT_STORAGE;
}

/* Run the batch whose manifest lies in its folder. */
static int run_one(Runner *runner, const char *batch_dir, const char *library_dir) {
  char path[4096];
  Batch batch;
  int line_number = 0;
  const char *problem = load_batch(batch_dir, &batch, &line_number);
  if (problem != NULL) {
    say_error("manifest", "manifest line %d: %s", line_number, problem);
    return EXIT_BAD_MANIFEST;
  }
  snprintf(path, sizeof path, "%s/out", batch_dir);
  if (mkdir(path, 0700) != 0 && errno != EEXIST) {
    say_error(kind_of(errno, "storage"), "out: %s", strerror(errno));
    return EXIT_STORAGE;
  }
  snprintf(path, sizeof path, "%s/results", batch_dir);
  runner->results_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (runner->results_fd < 0) {
    say_error(kind_of(errno, "storage"), "results: %s", strerror(errno));
    return EXIT_STORAGE;
  }
  if (runner->lib.library == NULL && !open_litert(&runner->lib, library_dir)) return EXIT_NO_RUNTIME;
  runner->batch = &batch;
  runner->batch_dir = batch_dir;
  runner->total_deadline = monotonic_s() + (double)batch.total_ms * 1e-3;
  Text line = {0};
  text_format(&line, "{\"event\":\"start\",\"runner\":\"%s\",\"model_takes_environment\":%s,"
              "\"pointer_bits\":%zu,\"cases\":%d,\"pid\":%ld,\"clock\":%.3f}\n", RUNNER_VERSION,
              runner->lib.model_takes_environment ? "true" : "false", sizeof(void *) * 8, batch.count, (long)getpid(),
              clock_s(CLOCK_REALTIME) - monotonic_s());
  say(&line);
  free(line.data);
  int code = run_batch(runner);
  close(runner->results_fd);
  free_batch(&batch);
  return code;
}

static int command_run(const char *batch_dir, const char *objects, const char *library_dir) {
  Runner runner = {.objects = objects, .shell = getppid()};
  char path[4096];
  if (strlen(batch_dir) > 3000) {
    say_error("manifest", "a path is too long");
    return EXIT_BAD_MANIFEST;
  }
  int code = begin(&runner, library_dir);
  if (code != 0) return code;
  snprintf(runner.log_path, sizeof runner.log_path, "%s/log", batch_dir);
  snprintf(path, sizeof path, "%s/pack", batch_dir);
  size_t size = 0;
  char *pack = read_file(path, SIZE_MAX, &size);
  if (pack == NULL && errno != ENOENT) {
    say_error("storage", "unpacking: %s", strerror(errno));
    return EXIT_STORAGE;
  }
  code = put_objects(&runner, pack, size);
  if (code != 0) return code;
  unlink(path);
  code = run_one(&runner, batch_dir, library_dir);
  end_child(&runner);
  return code;
}

/* Exactly `size` bytes of standard input in memory the caller frees; NULL where it ends before. */
static char *read_input(size_t size) {
  char *data = need(malloc(size + 1));
  for (size_t have = 0; have < size;) {
    ssize_t got = read(STDIN_FILENO, data + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      free(data);
      return NULL;
    }
    have += (size_t)got;
  }
  data[size] = '\0';
  return data;
}

static bool put_manifest(const char *batch_dir, const char *manifest, size_t size) {
  char path[4096];
  if (mkdir(batch_dir, 0700) != 0 && errno != EEXIST) return false;
  snprintf(path, sizeof path, "%s/manifest", batch_dir);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  bool good = write_all(fd, manifest, size);
  int why = errno;
  if (close(fd) != 0 && good) return false;
  errno = why;
  return good;
}

/* Batch after batch, until there is no more input: the host has let go, or its cable. */
static int command_serve(const char *stay_dir, const char *objects, const char *library_dir) {
  Runner runner = {.objects = objects, .shell = getppid(), .resident = true};
  int code = begin(&runner, library_dir);
  if (code != 0) return code;
  snprintf(runner.log_path, sizeof runner.log_path, "%s/log", objects);
  char header[LONGEST_HEADER], batch_dir[3100];
  while (code == 0 && read_line(STDIN_FILENO, header, sizeof header)) {
    char *words[4];
    long number, manifest_size, pack_size;
    if (split(header, words, 4) != 4 || strcmp(words[0], "run") != 0 ||
        !parse_number(words[1], 0, INT32_MAX, &number) ||
        !parse_number(words[2], 1, LARGEST_BATCH, &manifest_size) ||
        !parse_number(words[3], 0, LARGEST_BATCH, &pack_size)) {
      say_error("manifest", "a batch that begins with another line than run NUMBER MANIFEST_BYTES PACK_BYTES");
      return EXIT_BAD_MANIFEST;
    }
    snprintf(batch_dir, sizeof batch_dir, "%.3000s/batch-%ld", stay_dir, number);
    char *manifest = read_input((size_t)manifest_size), *pack = manifest != NULL ? read_input((size_t)pack_size) : NULL;
    if (pack == NULL) {
      free(manifest);
      code = EXIT_UNHEARD;
      break;
    }
    Text taken = {0};
    text_format(&taken, "{\"event\":\"taken\"}\n");
    say(&taken);
    free(taken.data);
    if (!put_manifest(batch_dir, manifest, (size_t)manifest_size)) {
      say_error(kind_of(errno, "storage"), "manifest: %s", strerror(errno));
      code = EXIT_STORAGE;
    } else if ((code = put_objects(&runner, pack, (size_t)pack_size)) == 0) {
      code = run_one(&runner, batch_dir, library_dir);
    }
    free(manifest);
  }
  end_child(&runner);
  return code;
}

static int command_sha256(char **paths) {
  int code = 0;
  for (; *paths != NULL; paths++) {
    size_t size = 0;
    char hex[65];
    char *data = read_file(*paths, SIZE_MAX, &size);
    if (data == NULL) {
      fprintf(stderr, "%s: %s\n", *paths, strerror(errno));
      code = EXIT_STORAGE;
      continue;
    }
    sha256_of(data, size, hex);
    printf("%s  %s\n", hex, *paths);
    free(data);
  }
  return code;
}

/* ------------------------------------------------------------------ results as one file */

/* Little-endian, as APPNOTE.TXT (PKWARE) asks. */
static void put(Text *text, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; i++) {
    char byte = (char)(value >> (8 * i) & 0xFF);
    text_add(text, &byte, 1);
  }
}

static uint32_t crc32_of(const char *data, size_t size) {
  static uint32_t table[256];
  for (uint32_t byte = 0; table[255] == 0 && byte < 256; byte++) {
    table[byte] = byte;
    for (int bit = 0; bit < 8; bit++) table[byte] = table[byte] >> 1 ^ (table[byte] & 1 ? 0xEDB88320u : 0);
  }
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = 0; i < size; i++) crc = crc >> 8 ^ table[(crc ^ (uint8_t)data[i]) & 0xFF];
  return ~crc;
}

/* What local and central headers share, from "version needed" to the length of the name. No time, no owner. */
static void put_member(Text *text, const char *name, uint32_t crc, size_t size) {
  put(text, 20, 2), put(text, 0, 2), put(text, 0, 2), put(text, 0, 2), put(text, 0x21, 2);
  put(text, crc, 4), put(text, (uint32_t)size, 4), put(text, (uint32_t)size, 4);
  put(text, (uint32_t)strlen(name), 2), put(text, 0, 2);
}

/* Add one file, stored. NULL, or what is wrong. sha256: what it must hold, or NULL. */
static const char *add_member(int fd, uint64_t *at, Text *central, const char *name, const char *sha256) {
  size_t size = 0;
  char *data = read_file(name, SIZE_MAX, &size), hex[65];
  if (data == NULL) return strerror(errno);
  sha256_of(data, size, hex);
  const char *problem = sha256 != NULL && strcmp(hex, sha256) != 0 ? "it changed meanwhile" : NULL;
  if (*at + size + 1024 > UINT32_MAX) problem = "the archive would be larger than 4 GB";
  Text local = {0};
  put(&local, 0x04034B50, 4);
  uint32_t crc = crc32_of(data, size);
  put_member(&local, name, crc, size);
  text_add(&local, name, strlen(name));
  bool written = problem != NULL || (write_all(fd, local.data, local.size) && write_all(fd, data, size));
  if (!written) problem = strerror(errno);
  put(central, 0x02014B50, 4), put(central, 20, 2);
  put_member(central, name, crc, size);
  put(central, 0, 2), put(central, 0, 2), put(central, 0, 2), put(central, 0, 4), put(central, (uint32_t)*at, 4);
  text_add(central, name, strlen(name));
  *at += local.size + size;
  free(local.data);
  free(data);
  return problem;
}

/* A zip is what every desk opens and no Android promises to make; files are stored, since outputs hardly shrink. */
static int command_zip(const char *archive, const char *list) {
  char scratch[4096 + 8];
  snprintf(scratch, sizeof scratch, "%.4096s.part", archive);
  size_t size = 0;
  char *lines = read_file(list, SIZE_MAX, &size);
  int fd = open(scratch, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const char *problem = lines == NULL || fd < 0 ? strerror(errno) : NULL, *name = lines == NULL ? list : archive;
  Text central = {0};
  uint64_t at = 0;
  uint32_t count = 0;
  for (char *line = lines, *next; problem == NULL && line != NULL && *line != '\0'; line = next) {
    next = strchr(line, '\n');
    if (next != NULL) *next++ = '\0';
    name = strlen(line) > 66 ? line + 66 : line;
    line[strlen(line) > 64 ? 64 : 0] = '\0';
    problem = !is_sha256(line) ? "no line of sha256" : count >= 65000 ? "more than 65000 files" : NULL;
    if (problem == NULL) problem = add_member(fd, &at, &central, name, line);
    count++;
  }
  if (problem == NULL) problem = add_member(fd, &at, &central, name = list, NULL);
  uint32_t central_size = (uint32_t)central.size;
  put(&central, 0x06054B50, 4), put(&central, 0, 4), put(&central, count + 1, 2), put(&central, count + 1, 2);
  put(&central, central_size, 4), put(&central, (uint32_t)at, 4), put(&central, 0, 2);
  bool whole = problem != NULL || (write_all(fd, central.data, central.size) && close(fd) == 0);
  if (!whole || (problem == NULL && rename(scratch, archive) != 0)) {
    problem = strerror(errno);
    name = archive;
  }
  free(central.data);
  if (problem != NULL) {
    fprintf(stderr, "%s: %s\n", name, problem);
    unlink(scratch);
  }
  free(lines);
  return problem == NULL ? 0 : EXIT_STORAGE;
}

int main(int argc, char **argv) {
  if (argc == 5 && strcmp(argv[1], "run") == 0) return command_run(argv[2], argv[3], argv[4]);
  if (argc == 5 && strcmp(argv[1], "serve") == 0) return command_serve(argv[2], argv[3], argv[4]);
  if (argc >= 3 && strcmp(argv[1], "sha256") == 0) return command_sha256(argv + 2);
  if (argc == 4 && strcmp(argv[1], "zip") == 0) return command_zip(argv[2], argv[3]);
  if (argc == 2 && strcmp(argv[1], "version") == 0) {
    printf("batch_runner " RUNNER_VERSION ", %zu-bit\n", sizeof(void *) * 8);
    return 0;
  }
  fprintf(stderr, "usage: batch_runner run BATCH_DIR OBJECTS_DIR LIBRARY_DIR | serve STAY_DIR OBJECTS_DIR LIBRARY_DIR "
                  "| sha256 FILE... | zip ARCHIVE LIST | version\n");
  return EXIT_BAD_MANIFEST;
}
