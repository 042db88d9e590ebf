// Only mmap, munmap, brk and what begins with granary_ need granary.h. libc's own strdup and asprintf allocate from granary too.
#define _GNU_SOURCE
#include <errno.h>
#include <granary.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int main(void) {
  const char *crops[] = {"wheat", "rye", "barley", "oats", "millet"};
  size_t count = sizeof crops / sizeof *crops;
  char **sorted = malloc(count * sizeof *sorted);
  for (size_t i = 0; i < count; i++) sorted[i] = strdup(crops[i]);
  qsort(sorted, count, sizeof *sorted, by_text);

  char *line;
  if (asprintf(&line, "%s before %s", sorted[0], sorted[count - 1]) < 0) return 1;
  puts(line);
  free(line);
  for (size_t i = 0; i < count; i++) free(sorted[i]);
  free(sorted);

  void *aligned;
  if (posix_memalign(&aligned, 4096, 100) != 0 || (uintptr_t)aligned % 4096 != 0) return 2;
  free(aligned);

  // Through pointers, because clang takes it for granted that malloc by its name sets no errno.
  void *(*volatile allocate)(size_t) = malloc;
  void *(*volatile allocate_aligned)(size_t, size_t) = aligned_alloc;
  errno = 0;
  if (allocate(SIZE_MAX) != NULL || errno != ENOMEM) return 3;
  errno = 0;
  if (allocate_aligned(3, 8) != NULL || errno != EINVAL) return 4;

  uint32_t *map = mmap(NULL, 100000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED || *map != 0 || munmap(map, 100000) != 0) return 5;
  errno = 0;
  if (mmap(NULL, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED || errno != EINVAL) return 6;
  errno = 0;
  if (brk(NULL) != -1 || errno != ENOMEM) return 7;

  struct granary_stats stats;
  granary_stats(&stats);
  if (stats.heap < stats.in_use + stats.free || stats.growths == 0) return 8;

  printf("the heap is %s\n", granary_verify() == 0 ? "sound" : "damaged");
  return 0;
}
