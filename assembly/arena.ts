// The arena: blocks of more than 256 bytes, pages of spans and mappings, all out of one row. Free blocks are joined with
// their neighbours at once and kept in bins by size; the last stretch, up to the break, is `top` and in no bin.
//
//   free block    0 next u32, 4 previous u32, 8 size u32   in its own memory: hints, checked against the shadow
//
// Invariants: two free blocks never touch; none touches top; a bin's list holds the free blocks of its sizes.

import {
  header, base, entryOf, roundUp, BINS, BLOCK_MIN, BREAK_MAX, CELL, ENTRY_OUT, HEADER_SIZE, NO_SPANS, PAGE, STEPS,
  STEP_BITS, Header,
} from "./layout";
import {
  around, followsFree, isFree, mark, noteFree, noteUsed, startOf, stopOf, unmark,
} from "./shadow";
import { refuse, OVERWRITTEN } from "./error";
import { advance } from "./break";

/** Smaller free blocks are in no bin: no request fits them before they are joined. */
export const LISTED: usize = 256;
const MIN_EXPONENT: u32 = 8;
const EXPONENTS: u32 = 24;
/** Pages that the first tables cover. */
const FIRST_CAPACITY: u32 = 4;
/** Blocks of a request's own bin that are looked at for the best fit. */
const TRIES: u32 = 4;

// ---------------------------------------------------------------------------------------------------------------- bins

// @ts-ignore: decorator
@inline function inside(p: usize): bool {
  return p - base() < header().extent;
}

// @ts-ignore: decorator
@inline export function binOf(n: usize): u32 {
  let e = 31 - clz<u32>(<u32>n);
  return ((e - MIN_EXPONENT) << STEP_BITS) + ((<u32>n >>> (e - STEP_BITS)) & ((1 << STEP_BITS) - 1));
}
// @ts-ignore: decorator
@inline export function headOf(bin: u32): usize {
  return base() + (<usize>bin << 2);
}

/** Puts the free block [p, p + n) into its bin. */
function insert(p: usize, n: usize): void {
  let h = header();
  h.binned += n;
  if (n < LISTED) return;
  let bin = binOf(n), head = headOf(bin), first = load<usize>(head, BINS);
  store<usize>(p, first);
  store<usize>(p, 0, 4);
  store<usize>(p, n, 8);
  store<usize>(head, p, BINS);
  if (first) {
    store<usize>(first, p, 4);
    return;
  }
  let e = bin >>> STEP_BITS, steps = base() + (<usize>e << 2);
  store<u32>(steps, load<u32>(steps, STEPS) | (1 << (bin & ((1 << STEP_BITS) - 1))), STEPS);
  h.exponents |= 1 << e;
}

/** Takes the free block [p, p + n) out of its bin. Refused if its links don't lead back to it. */
function unlink(p: usize, n: usize): void {
  let h = header();
  if (n >= LISTED) {
    let bin = binOf(n), head = headOf(bin);
    let after: usize = load<usize>(p), before: usize = load<usize>(p, 4);
    if (after && (!inside(after) || load<usize>(after, 4) != p)) refuse(OVERWRITTEN, p);
    if (before) {
      if (!inside(before) || load<usize>(before) != p) refuse(OVERWRITTEN, p);
      store<usize>(before, after);
    } else {
      if (load<usize>(head, BINS) != p) refuse(OVERWRITTEN, p);
      store<usize>(head, after, BINS);
      if (!after) {
        let e = bin >>> STEP_BITS, steps = base() + (<usize>e << 2);
        let left = load<u32>(steps, STEPS) & ~(1 << (bin & ((1 << STEP_BITS) - 1)));
        store<u32>(steps, left, STEPS);
        if (!left) h.exponents &= ~(1 << e);
      }
    }
    if (after) store<usize>(after, before, 4);
  }
  h.binned -= n;
}

/** The first bin from `bin` on that holds a block, or -1. */
export function nextBin(bin: u32): i32 {
  let e = bin >>> STEP_BITS;
  if (e >= EXPONENTS) return -1;
  let steps = load<u32>(base() + (<usize>e << 2), STEPS) & (-1 << (bin & ((1 << STEP_BITS) - 1)));
  if (!steps) {
    let m = header().exponents & (-2 << e);
    if (!m) return -1;
    e = ctz(m);
    steps = load<u32>(base() + (<usize>e << 2), STEPS);
  }
  return (e << STEP_BITS) + ctz(steps);
}

// -------------------------------------------------------------------------------------------------------------- blocks

/** Makes [p, end), whose first cell alone is marked, a free block. */
function setFree(p: usize, end: usize): void {
  mark(end - CELL);
  noteFree(p, end);
  insert(p, end - p);
}

/** Whether a gap of n bytes between two blocks can be a free block, or is none at all. */
// @ts-ignore: decorator
@inline export function isGap(n: usize): bool {
  return !n || n >= BLOCK_MIN;
}

/** The end of the free block at p, an address that was read from a free block's memory. Refused if there is none. */
function endOfFree(p: usize): usize {
  if (!inside(p) || p & (CELL - 1) || !isFree(around(p))) refuse(OVERWRITTEN, p);
  return stopOf(p, around(p)) + CELL;
}

/** Takes [a, a + n) out of the free block [p, end) for use; what remains on both sides must be gaps. */
export function carve(p: usize, end: usize, a: usize, n: usize): usize {
  unlink(p, end - p);
  let stop = a + n;
  unmark(end - CELL);
  mark(a);
  mark(a + CELL);
  if (a != p) setFree(p, a);
  if (stop != end) {
    mark(stop);
    setFree(stop, end);
  }
  noteUsed(a, stop);
  return a;
}

/** Takes n bytes from the start of the free block at p for use, or all of it if too little would remain. */
function take(p: usize, n: usize): usize {
  let end = endOfFree(p), size = end - p;
  if (size < n) refuse(OVERWRITTEN, p);
  unlink(p, size);
  mark(p + CELL);
  let stop = p + n;
  if (size - n >= BLOCK_MIN) {
    mark(stop);
    noteFree(stop, end);
    insert(stop, size - n);
  } else {
    unmark(end - CELL);
    stop = end;
  }
  noteUsed(p, stop);
  return p;
}

/** Takes [a, a + n) out of top for use, with what is too little for a block behind it. */
export function takeTop(a: usize, n: usize): usize {
  let h = header(), p = h.top, stop = a + n;
  if (!isGap(h.end - stop)) stop = h.end;
  if (a != p) {
    mark(a);
    setFree(p, a);
  }
  mark(a + CELL);
  mark(stop);
  h.top = stop;
  if (stop > h.fresh) h.fresh = stop;
  noteUsed(a, stop);
  return a;
}

/** A block of n bytes (a multiple of 16, at least BLOCK_MIN) from the bins or top; 0 if neither has it. */
export function find(n: usize): usize {
  let bin: u32 = n < LISTED ? 0 : binOf(n);
  let p = load<usize>(headOf(bin), BINS), best: usize = 0, least: usize = -1;
  for (let tries = TRIES; p && tries; tries--) {
    if (!inside(p)) refuse(OVERWRITTEN, p);
    let size: usize = load<u32>(p, 8);
    if (size >= n && size < least) {
      best = p;
      least = size;
      if (size == n) break;
    }
    p = load<usize>(p);
  }
  if (!best) {
    let other = nextBin(bin + 1);
    if (other < 0) {
      let h = header();
      return h.end - h.top >= n ? takeTop(h.top, n) : 0;
    }
    best = load<usize>(headOf(other), BINS);
  }
  return take(best, n);
}

/** The first address from p on that is a multiple of `alignment` and leaves a gap before it. */
export function alignedFrom(p: usize, alignment: usize): usize {
  let a = roundUp(p, alignment);
  while (!isGap(a - p)) a += alignment;
  return a;
}

/** As find, at a multiple of `alignment`, with exactly n bytes; looks at no more than `tries` free blocks. */
export function findAligned(n: usize, alignment: usize, tries: u32): usize {
  for (let bin = nextBin(n < LISTED ? 0 : binOf(n)); bin >= 0; bin = nextBin(bin + 1)) {
    for (let p = load<usize>(headOf(bin), BINS); p; p = load<usize>(p)) {
      let end = endOfFree(p), a = alignedFrom(p, alignment);
      if (a >= p && a < end && end - a >= n && isGap(end - a - n)) return carve(p, end, a, n);
      if (!--tries) return 0;
    }
  }
  return 0;
}

/** As findAligned, from top. */
export function topAligned(n: usize, alignment: usize): usize {
  let h = header(), a = alignedFrom(h.top, alignment);
  if (a < h.top || a > h.end || h.end - a < n) return 0;
  return takeTop(a, n);
}

/** Frees the block in use at p, with the marks w around, and joins it with its neighbours. */
export function release(p: usize, w: u64): void {
  let h = header(), end = stopOf(p, w);
  unmark(p + CELL);
  if (followsFree(w)) {
    let before = startOf(p - CELL);
    unlink(before, p - before);
    unmark(p);
    unmark(p - CELL);
    p = before;
  }
  if (end == h.top) {
    unmark(end);
    h.top = p;
    return;
  }
  let v = around(end);
  if (isFree(v)) {
    let behind = stopOf(end, v) + CELL;
    unlink(end, behind - end);
    unmark(end);
    end = behind;
  } else mark(end - CELL);
  noteFree(p, end);
  insert(p, end - p);
}

/** Frees [p, end), a part of the block in use or reserved that it is cut from. */
export function releasePart(p: usize, end: usize): void {
  mark(p);
  mark(p + CELL);
  noteUsed(p, end);
  release(p, around(p));
}

/** Makes the block in use at p n bytes long where it is. False if there is no room behind it. */
export function resize(p: usize, n: usize): bool {
  let h = header(), end = stopOf(p, around(p)), stop = p + n;
  if (stop <= end) {
    if (end - stop >= BLOCK_MIN) {
      noteUsed(p, stop);
      releasePart(stop, end);
    }
    return true;
  }
  if (end == h.top) {
    if (h.end - end < stop - end && (!extend(stop - end) || end != h.top)) return false;
    unmark(end);
    h.top = p;
    takeTop(p, n);
    return true;
  }
  let v = around(end);
  if (!isFree(v)) return false;
  let behind = stopOf(end, v) + CELL;
  if (behind < stop) return false;
  unlink(end, behind - end);
  unmark(end);
  if (behind - stop >= BLOCK_MIN) {
    mark(stop);
    noteFree(stop, behind);
    insert(stop, behind - stop);
  } else {
    unmark(behind - CELL);
    stop = behind;
  }
  noteUsed(p, stop);
  return true;
}

/** Makes the start of the block in use at p, or a cell where none starts, that of a reserved one. */
export function reserve(p: usize): void {
  mark(p);
  unmark(p + CELL);
  mark(p + 2 * CELL);
}
/** Takes the marks of a reserved block's start away. */
export function unreserve(p: usize): void {
  unmark(p);
  unmark(p + 2 * CELL);
}

// -------------------------------------------------------------------------------------------------------------- growth

/** Bytes of the tables for `pages` pages: the shadow between two words of zeros, the links, the entries, the map. */
function tablesSize(pages: u32): usize {
  return roundUp(16 + <usize>pages * (512 + 256 + 16 + 1), CELL);
}
/** Number of the heap's first page. */
// @ts-ignore: decorator
@inline function firstPage(): u32 {
  return <u32>(base() >>> 16);
}

/** Begins tables for `pages` pages at `a`, all zero but the map, and copies what the old ones have. */
function setTables(a: usize, pages: u32): void {
  let h = header(), first = <usize>firstPage();
  let bytes = tablesSize(pages), old = h.tables ? h.capacity - <u32>first : 0;
  if (a < h.fresh) memory.fill(a, 0, min(bytes, h.fresh - a));
  let n = <usize>pages, shadow = a + 8 - (first << 9), links = a + 16 + n * 512 - (first << 8);
  let entries = a + 16 + n * 768 - (first << 4), map = a + 16 + n * 784 - first;
  memory.fill(map + first, <u8>NO_SPANS, pages);
  if (old) {
    memory.copy(shadow + (first << 9), h.shadow + (first << 9), <usize>old << 9);
    memory.copy(links + (first << 8), h.links + (first << 8), <usize>old << 8);
    memory.copy(entries + (first << 4), h.entries + (first << 4), <usize>old << 4);
    memory.copy(map + first, h.map + first, old);
  }
  h.tables = a;
  h.capacity = <u32>first + pages;
  h.shadow = shadow;
  h.links = links;
  h.entries = entries;
  h.map = map;
}

/** Makes top reach at least n bytes further. False if the memory may not grow so far. Top may lie elsewhere then. */
export function extend(n: usize): bool {
  let h = header();
  do {
    let size = h.end - base();
    let spare = size < 0x4000000 ? size >>> 6 : size >>> 3;
    let need = n - (h.end - h.top);
    let start = advance(need + tablesFor(need + spare), spare);
    if (!start) start = advance(need + tablesFor(need), 0);
    if (!start) return false;
    absorb(start, h.brk);
  } while (h.end - h.top < n);
  return true;
}

/** Bytes of new tables that the arena needs before it can reach `bytes` beyond the break, or 0. */
function tablesFor(bytes: usize): usize {
  let h = header();
  let last = <u32>((h.brk + min(bytes, BREAK_MAX - h.brk)) >>> 16) + 1;
  return last < h.capacity ? 0 : tablesSize(grownCapacity(last));
}
function grownCapacity(last: u32): u32 {
  let pages = last + 1 - firstPage();
  return min(pages + (pages >>> 1) + 2, 0x10000 - firstPage());
}

/** Gives the stretch [start, end) to the arena: the continuation of top, or a new top behind a gap. */
function absorb(start: usize, end: usize): void {
  let h = header();
  let joined = start == h.end;
  let a = joined ? h.top : max(roundUp(start, CELL), h.end + 6 * CELL);
  let oldTables = h.tables, tables: usize = 0;
  let last = <u32>(end >>> 16);
  if (last >= h.capacity) {
    let pages = grownCapacity(last);
    tables = tablesSize(pages);
    // Too short even for its own tables: it stays unused.
    if (end < a + tables + BLOCK_MIN) return;
    setTables(a, pages);
  }
  h.peak = max(h.peak, h.top - base() - h.binned);
  if (!joined) {
    h.fixed += a - h.end;
    mark(h.end);
    if (h.end > h.top) setFree(h.top, h.end);
    reserve(h.end);
    mark(a);
  }
  h.end = end;
  h.extent = end - base();
  if (tables) {
    reserve(a);
    noteUsed(a, a + tables);
    a += tables;
    mark(a);
  }
  h.top = a;
  if (a > h.fresh) h.fresh = a;
  if (tables) {
    unreserve(oldTables);
    let old = stopOf(oldTables, around(oldTables));
    h.fixed += tables - (old - oldTables);
    releasePart(oldTables, old);
  }
}

/** Begins the arena: its tables stand behind the header, top behind them up to `end`, a multiple of 64 KiB. */
export function begin(end: usize): void {
  let h = header(), tables = base() + HEADER_SIZE;
  h.end = end;
  h.extent = end - base();
  setTables(tables, FIRST_CAPACITY);
  let top = tables + tablesSize(FIRST_CAPACITY);
  if (!isGap(end - top)) top = end;
  reserve(tables);
  noteUsed(tables, top);
  mark(top);
  h.top = top;
  h.fixed = top - base();
}
/** Bytes that the header and the first tables take. */
export function beginSize(): usize {
  return HEADER_SIZE + tablesSize(FIRST_CAPACITY);
}
