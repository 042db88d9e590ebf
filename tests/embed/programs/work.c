// For every engine: no imports, one function that uses the heap hard and returns a sum, or -1 if the heap is damaged.
#include <granary.h>
#include <stdlib.h>
#include <string.h>

__attribute__((export_name("work"))) int work(void) {
  static unsigned char *blocks[5000];
  static size_t sizes[5000];
  unsigned seed = 42, sum = 0;
  for (int i = 0; i < 500000; i++) {
    seed = seed * 1664525 + 1013904223;
    int at = (seed >> 8) % 5000;
    if (blocks[at]) sum += blocks[at][0] + blocks[at][sizes[at] - 1];
    seed = seed * 1664525 + 1013904223;
    size_t size = 1 + (seed >> 8) % (i % 50 == 0 ? 20000 : 300);
    unsigned char *block = i % 3 ? realloc(blocks[at], size) : (free(blocks[at]), malloc(size));
    if (!block) return -1;
    block[0] = i;
    block[size - 1] = i >> 3;
    blocks[at] = block;
    sizes[at] = size;
  }
  return granary_verify() == 0 ? (int)(sum & 0x7fffffff) : -1;
}
