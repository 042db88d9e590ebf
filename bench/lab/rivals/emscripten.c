// The host's side of Emscripten's sbrk, as its standalone mode has it: the memory grows by what is asked, in whole pages.
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 65536

static int error;
int *__errno_location(void) { return &error; }
size_t emscripten_get_heap_size(void) { return __builtin_wasm_memory_size(0) * PAGE; }
size_t emscripten_get_heap_max(void) { return 0xFFFF0000; }
int emscripten_resize_heap(size_t bytes) {
  size_t pages = bytes / PAGE + (bytes % PAGE != 0) - __builtin_wasm_memory_size(0);
  return __builtin_wasm_memory_grow(0, pages) != (size_t)-1;
}

// Emscripten takes dlmalloc's aligned_alloc from musl, which hands it on. emmalloc has its own, which refuses sizes that are
// no multiple of the alignment; it is compiled under another name (rivals.ts), since programs ask for any size by memalign
// and posix_memalign.
#undef aligned_alloc
void *memalign(size_t alignment, size_t size);
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
