// The heap grows in C; JavaScript sees the new memory at once through HEAPU8.
#include <emscripten.h>
#include <errno.h>
#include <granary.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

EM_JS(int, sum, (const unsigned char *bytes, int length), {
  let total = 0;
  for (let i = 0; i < length; i++) total += HEAPU8[bytes + i];
  return total;
})

int main(void) {
  int length = 64 << 20;
  unsigned char *bytes = calloc(length, 1);
  memset(bytes + length - 1000, 1, 1000);
  printf("JavaScript counts %d\n", sum(bytes + length - 2000, 2000));
  free(bytes);

  void *(*volatile allocate)(size_t) = malloc;
  errno = 0;
  if (allocate(SIZE_MAX) != NULL || errno != ENOMEM) return 1;
  printf("the heap is %s\n", granary_verify() == 0 ? "sound" : "damaged");
  return 0;
}
