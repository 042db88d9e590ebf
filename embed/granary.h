/* granary.h: what granary offers beyond the C library's <stdlib.h>. Link granary.o or libgranary.a and malloc, free and
   their family are granary's; this header is needed only for what it declares. */
#ifndef GRANARY_H
#define GRANARY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Allocation functions that not every C library's <stdlib.h> declares. Sizes in bytes; NULL with errno on failure. Every block
   is aligned to 16 bytes. memalign takes a power of two as `alignment`, and fails with EINVAL for others. */
void *reallocarray(void *block, size_t count, size_t size);
void *memalign(size_t alignment, size_t size);
/* Aligned to 64 KiB, WebAssembly's page; pvalloc also rounds the size up to whole pages. */
void *valloc(size_t size);
void *pvalloc(size_t size);
/* C23's: `size` and `alignment` must be what the block was allocated with. */
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);
/* Bytes that may be used in the block, at least what was asked for; 0 for NULL. */
size_t malloc_usable_size(void *block);

/* sbrk moves the break by `increment` bytes and returns where it was, or where the new bytes begin if others have grown the
   memory in between; brk moves it to `address` and returns 0. -1 with errno ENOMEM where it cannot move. */
void *sbrk(intptr_t increment);
int brk(void *address);

/* Anonymous memory, zeroed, in pages of 64 KiB. MAP_FAILED, or -1 where the result is an int, with errno on failure.
   Protection is not enforced; PROT_EXEC fails with ENOTSUP.
   Under Emscripten, mmap and its kin without `granary_` in front are Emscripten's own, which map files too. */
#ifndef MAP_FAILED
#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#define MAP_SHARED 0x01
#define MAP_PRIVATE 0x02
#define MAP_FIXED 0x10
#define MAP_ANONYMOUS 0x20
#define MAP_ANON MAP_ANONYMOUS
#define MAP_FAILED ((void *)-1)
#endif
/* Not every <sys/mman.h> has these, or only with _GNU_SOURCE. */
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_MAYMOVE
#define MREMAP_MAYMOVE 1
#endif
#ifndef MADV_DONTNEED
#define MADV_DONTNEED 4
#endif
void *mmap(void *address, size_t length, int protection, int flags, int file, int64_t offset);
int munmap(void *address, size_t length);
int madvise(void *address, size_t length, int advice);
void *granary_mmap(void *address, size_t length, int protection, int flags, int file, int64_t offset);
int granary_munmap(void *address, size_t length);
int granary_madvise(void *address, size_t length, int advice);
/* Grows or shrinks a mapping, in place, or elsewhere with MREMAP_MAYMOVE. */
void *mremap(void *address, size_t old_length, size_t new_length, int flags, ...);
void *granary_mremap(void *address, size_t old_length, size_t new_length, int flags, ...);

/* Walks the whole heap: 0 if it is sound, otherwise the number of the first broken invariant. 5 may mean no more than a write into
   a free block, which harms nothing: the heap puts its own mark there right when it next needs it. */
int granary_verify(void);
/* What the heap holds, in bytes; all zero if there is no memory to begin a heap in. Exact but for the peak. */
struct granary_stats {
  uint32_t heap;    /* from its base to the break */
  uint32_t in_use;  /* blocks in use, as the heap rounded them */
  uint32_t mapped;  /* mappings */
  uint32_t free;    /* what requests may be given before the break moves */
  uint32_t peak;    /* the most that was not free, sampled when the break moved for a request, and now;
                       pages of spans counted whole */
  uint32_t growths; /* how often the heap has grown the memory: not bytes */
};
void granary_stats(struct granary_stats *stats);
/* errno of the last failed call, as Linux numbers it. For programs without a C library. */
int granary_last_error(void);
/* Why the heap refuses a call. A second free is NOT_IN_USE; or NOT_A_BLOCK or IS_MAPPED, once the place belongs to another
   block, to free memory that begins before it, or to a mapping. */
enum {
  GRANARY_NOT_REFUSED,
  GRANARY_OUTSIDE,     /* not in the heap */
  GRANARY_MISALIGNED,  /* no multiple of 16 */
  GRANARY_NOT_IN_USE,  /* freed before, or never allocated */
  GRANARY_NOT_A_BLOCK, /* no block starts there */
  GRANARY_IS_MAPPED,   /* part of a mapping, which only munmap takes */
  GRANARY_CORRUPT      /* the heap's own tables were written to: they do not know this free block */
};
/* After a trap: the reason of the last refusal. */
int granary_trap_reason(void);
/* The address that it is about: the one that the call was given; for CORRUPT where the free block begins or ends. */
void *granary_trap_address(void);

#ifdef __cplusplus
}
#endif

#endif
