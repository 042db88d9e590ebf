// The replay driver for native allocators (LD_PRELOAD): reads an MTRC file and replays it, by the same rule of touch as the
// driver in WebAssembly, once cold and as often warm as the second argument says. Prints nanoseconds of CPU time an
// operation, cold and warm (the mean), and how much the resident memory grew.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MALLOC, FREE, REALLOC, CALLOC, ALIGNED };
enum { HEADER_WORDS = 8 };

static char **table;
static volatile uint32_t seen;

static double cpu_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

// The most that was ever resident, in bytes. Not getrusage, whose figure a process inherits from the one that started it.
static long resident(void) {
  static char status[4096];
  int file = open("/proc/self/status", O_RDONLY);
  ssize_t length = read(file, status, sizeof status - 1);
  close(file);
  status[length > 0 ? length : 0] = 0;
  char *line = strstr(status, "VmHWM:");
  return line ? atol(line + 6) * 1024 : 0;
}

__attribute__((noinline)) static uint32_t replay(const uint32_t *at, const uint32_t *end) {
  uint32_t failed = 0, sum = 0;
  for (; at < end; at += 2) {
    uint32_t word = at[0], size = at[1];
    char **entry = table + (word & 0xFFFFFF), *old = *entry, *p;
    switch (word >> 28) {
      case FREE:
        if (old) {
          sum += *(uint32_t *)old;
          free(old);
          *entry = NULL;
        }
        continue;
      case MALLOC: p = malloc(size); break;
      case REALLOC: p = realloc(old, size); break;
      case CALLOC: p = calloc(1, size); break;
      default: {
        size_t align = (size_t)1 << (word >> 24 & 15);
        void *aligned = NULL;
        p = posix_memalign(&aligned, align < sizeof(void *) ? sizeof(void *) : align, size) ? NULL : aligned;
      }
    }
    if (!p) {
      failed++;
      continue;
    }
    *entry = p;
    if (size >= 4) {
      memcpy(p, &word, 4);
      memcpy(p + size - 4, &word, 4);
    } else {
      *p = (char)word;
    }
  }
  seen += sum;
  return failed;
}

// Memory of the driver's own, not from the allocator under test; resident before the replay starts.
static void *own(size_t bytes) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (p == MAP_FAILED) exit(2);
  return p;
}

int main(int count, char **arguments) {
  FILE *file = count > 2 ? fopen(arguments[1], "rb") : NULL;
  uint32_t header[HEADER_WORDS];
  if (!file || fread(header, 4, HEADER_WORDS, file) != HEADER_WORDS) return 2;
  uint32_t operations = header[2], slots = header[3];
  uint32_t *words = own(8ul * operations);
  if (fread(words, 8, operations, file) != operations) return 2;
  fclose(file);
  table = own(sizeof(char *) * slots);

  long before = resident();
  int warm_rounds = atoi(arguments[2]);
  double cold = 0, warm = 0;
  long grown = 0;
  for (int round = 0; round <= warm_rounds; round++) {
    double start = cpu_time();
    uint32_t failed = replay(words, words + 2ul * operations);
    double ns = (cpu_time() - start) / operations;
    if (round) warm += ns / warm_rounds;
    else cold = ns;
    if (failed) return 3;
    if (round == 0) grown = resident() - before;
    for (uint32_t i = 0; i < slots; i++) {
      free(table[i]);
      table[i] = NULL;
    }
  }
  char line[128];
  int length = snprintf(line, sizeof line, "{\"cold\":%.3f,\"warm\":%.3f,\"resident\":%ld}\n", cold, warm, grown);
  fwrite(line, 1, length, stdout);
  return 0;
}
