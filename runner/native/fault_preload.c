/* Preloaded into the runner by the loopback device, never on a phone: makes two of a device's faults real.
 *
 * REPRO_FAULT_CLOCK_JUMP_S: from the second on in which this library was loaded, the wall clock
 * (CLOCK_REALTIME) reads so many seconds more; the monotonic clock does not move.
 * REPRO_FAULT_DISK_BYTES: after so many bytes written to regular files of this process and its
 * children's own count, write fails with ENOSPC; -1 is off.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long number(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text != NULL ? strtol(text, NULL, 10) : otherwise;
}

int clock_gettime(clockid_t which, struct timespec *now) {
  static double first = 0;
  long result = syscall(SYS_clock_gettime, which, now);
  if (result != 0 || which != CLOCK_REALTIME) return (int)result;
  struct timespec mono;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &mono);
  double elapsed = (double)mono.tv_sec + (double)mono.tv_nsec * 1e-9;
  if (first == 0) first = elapsed;
  if (elapsed - first > 0.001) now->tv_sec += number("REPRO_FAULT_CLOCK_JUMP_S", 0);
  return 0;
}

ssize_t write(int fd, const void *data, size_t size) {
  static long written = 0;
  long limit = number("REPRO_FAULT_DISK_BYTES", -1);
  struct stat status;
  if (limit >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    if (written + (long)size > limit) {
      errno = ENOSPC;
      return -1;
    }
    written += (long)size;
  }
  return syscall(SYS_write, fd, data, size);
}
