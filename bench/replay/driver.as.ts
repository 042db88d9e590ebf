// The replay driver. It is merged with the allocator under test into one module, so that a call costs what it costs in
// a linked program, and everything it keeps lies below the heap that is measured:
//
//   0        1 MiB              1.5 MiB  2 MiB                          10 MiB
//   ├────────┼──────────────────┼────────┼──────────────────────────────┼─ heap under test …
//   │ unused │ window of 65,536 │ unused │ table: address and size of   │
//   │        │ operations       │        │ up to 1,048,576 live blocks  │
//
// The host copies the trace's operations into the window (two words each, see docs/traces.md), calls `replay` or
// `check` with their number, and repeats.

@external("env", "malloc") declare function malloc(size: usize): usize
@external("env", "free") declare function free(p: usize): void
@external("env", "realloc") declare function realloc(p: usize, size: usize): usize
@external("env", "calloc") declare function calloc(n: usize, size: usize): usize
@external("env", "aligned_alloc") declare function aligned_alloc(align: usize, size: usize): usize

export const window_start: usize = 0x100000
export const window_operations: u32 = 0x10000
export const table_start: usize = 0x200000
export const table_entries: u32 = 0x100000
export const __heap_base: usize = 0xa00000 + HEAP_SHIFT // by the compiler's --use, see merge.ts

// Keeps the reads at free alive: a result nobody can see would be optimised away.
export let bytes_seen: u32 = 0

// Where `check` and `check_drain` are, for a trap.
export let checking: u32 = 0

const FREE: u32 = 1
const REALLOC: u32 = 2
const CALLOC: u32 = 3
const ALIGNED: u32 = 4

// What `check` answers: operation in the window << 4 | one of these.
const FAILED: u32 = 1
const MISALIGNED: u32 = 2
const OUTSIDE: u32 = 3
const LOST_AT_FREE: u32 = 4
const LOST_AT_REALLOC: u32 = 5
const NOT_ZERO: u32 = 6

// @ts-ignore: decorator
@inline function entryOf(word: u32): usize {
  return table_start + ((word & 0xffffff) << 3)
}
// @ts-ignore: decorator
@inline function kindOf(word: u32): u32 {
  return word >>> 28
}
// @ts-ignore: decorator
@inline function alignmentOf(word: u32): usize {
  return 1 << ((word >>> 24) & 15)
}

// @ts-ignore: decorator
@inline function allocate(kind: u32, old: usize, word: u32, size: usize): usize {
  if (!kind) return malloc(size)
  if (kind == REALLOC) return realloc(old, size)
  if (kind == CALLOC) return calloc(1, size)
  return aligned_alloc(alignmentOf(word), size)
}

/** Replays the first n operations of the window, touching the first and the last word of a block at each
 *  (re)allocation and the first at free. Returns how many allocations failed. */
export function replay(n: u32): u32 {
  let failed: u32 = 0
  let seen: u32 = 0
  for (let at = window_start, end = window_start + ((<usize>n) << 3); at < end; at += 8) {
    const word = load<u32>(at)
    const entry = entryOf(word)
    const kind = kindOf(word)
    const old: usize = load<u32>(entry)
    if (kind == FREE) {
      if (!old) continue // its allocation failed
      seen += load<u32>(old)
      free(old)
      store<u32>(entry, 0)
      continue
    }
    const size: usize = load<u32>(at, 4)
    const p = allocate(kind, old, word, size)
    if (!p) {
      failed++
      continue
    }
    store<u32>(entry, p)
    if (size >= 4) {
      store<u32>(p, word)
      store<u32>(p + size - 4, word)
    } else {
      store<u8>(p, <u8>word)
    }
  }
  bytes_seen += seen
  return failed
}

/** Frees every block that the first n entries of the table still hold. */
export function drain(n: u32): void {
  for (let entry = table_start, end = table_start + ((<usize>n) << 3); entry < end; entry += 8) {
    const p: usize = load<u32>(entry)
    if (!p) continue
    free(p)
    store<u32>(entry, 0)
  }
}

// A block's content differs from that of every block that was or will be near it, and from itself shifted.
// @ts-ignore: decorator
@inline function seedOf(entry: usize, p: usize, size: usize): u64 {
  return ((((<u64>p) << 32) | <u64>size) * 0xd6e8feb86659fd93) ^ (<u64>entry * 0xa0761d6478bd642f)
}
// @ts-ignore: decorator
@inline function content(seed: u64, i: usize): u64 {
  return (seed + <u64>i) * 0x9e3779b97f4a7c15
}

function fill(p: usize, size: usize, seed: u64): void {
  let i: usize = 0
  for (; i + 8 <= size; i += 8) store<u64>(p + i, content(seed, i))
  for (; i < size; i++) store<u8>(p + i, <u8>(content(seed, i) >>> 56))
}

// Whether the first `size` bytes are as `fill` wrote them in a block of `full` bytes: by words, and only the last few by single bytes.
function holds(p: usize, size: usize, seed: u64, full: usize): bool {
  const words = full & ~7
  let i: usize = 0
  for (; i + 8 <= size; i += 8) if (load<u64>(p + i) != content(seed, i)) return false
  for (; i < size; i++) {
    const want = i < words ? content(seed, i & ~7) >>> ((<u64>(i & 7)) << 3) : content(seed, i) >>> 56
    if (load<u8>(p + i) != <u8>want) return false
  }
  return true
}

function isZero(p: usize, size: usize): bool {
  let i: usize = 0
  for (; i + 8 <= size; i += 8) if (load<u64>(p + i)) return false
  for (; i < size; i++) if (load<u8>(p + i)) return false
  return true
}

function checkFree(entry: usize): bool {
  const p: usize = load<u32>(entry)
  const size: usize = load<u32>(entry, 4)
  if (!holds(p, size, seedOf(entry, p, size), size)) return false
  free(p)
  store<u32>(entry, 0)
  return true
}

/** Replays the first n operations of the window and verifies every byte of every block. Blocks of 16 bytes and more
 *  must be aligned to `align`, smaller ones to 8 or `align`, whichever is less. Leaves each block's address in the window
 *  where its size stood. Returns 0 or where and why it stopped. */
export function check(n: u32, align: usize): u32 {
  for (let i: u32 = 0; i < n; i++) {
    checking = i
    const at = window_start + ((<usize>i) << 3)
    const word = load<u32>(at)
    const entry = entryOf(word)
    const kind = kindOf(word)
    if (kind == FREE) {
      if (!checkFree(entry)) return (i << 4) | LOST_AT_FREE
      continue
    }
    const size: usize = load<u32>(at, 4)
    const old: usize = load<u32>(entry)
    const oldSize: usize = load<u32>(entry, 4)
    const p = allocate(kind, old, word, size)
    if (!p) return (i << 4) | FAILED
    const aligned = max<usize>(size < 16 ? min<usize>(align, 8) : align, kind == ALIGNED ? alignmentOf(word) : 1)
    if (p & (aligned - 1)) return (i << 4) | MISALIGNED
    if (p < __heap_base || <u64>p + size > (<u64>memory.size()) << 16) return (i << 4) | OUTSIDE
    if (kind == REALLOC && !holds(p, min(size, oldSize), seedOf(entry, old, oldSize), oldSize))
      return (i << 4) | LOST_AT_REALLOC
    if (kind == CALLOC && !isZero(p, size)) return (i << 4) | NOT_ZERO
    fill(p, size, seedOf(entry, p, size))
    store<u32>(entry, p)
    store<u32>(entry, size, 4)
    store<u32>(at, p, 4)
  }
  return 0
}

/** Verifies and frees every block that the first n entries still hold. Returns 0 or the entry << 4 | LOST_AT_FREE. */
export function check_drain(n: u32): u32 {
  for (let i: u32 = 0; i < n; i++) {
    checking = i
    const entry = table_start + ((<usize>i) << 3)
    if (load<u32>(entry) && !checkFree(entry)) return (i << 4) | LOST_AT_FREE
  }
  return 0
}
