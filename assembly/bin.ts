// Bins of small blocks: each has an active span that malloc takes from, and a list of the other spans with room. A span
// that is full when the active one is needed no more is detached; the first free in it puts it on the list.
//
// Invariants: a span is exactly one of active, listed, detached, as its state says; a detached span has no free block, a
// listed one has.

import { ACTIVE, base, BLOCK_MIN, BREAK_MAX, CELL, header, NONE, roundUp, SPANS, TOTAL } from "./layout";
import { alignedFrom, carveTop, extend, find, findAligned, TRIES } from "./arena";
import { blocksIn, BINS_SMALL, granulesFor, inverseOf, sizeOf } from "./size";
import { DETACHED, freeRun, granuleOf, granulesOf, LINK, LISTED, Span, spanOf, STATE, takeRun } from "./span";

// Fields of a bin's record at ACTIVE …
export const SPAN: usize = ACTIVE;
export const FIRST: usize = ACTIVE + 4;
export const BLOCKS: usize = ACTIVE + 8;
// … and at SPANS.
export const INVERSE: usize = SPANS;
export const HEAD: usize = SPANS + 4;
export const TAIL: usize = SPANS + 8;
export const HELD: usize = SPANS + 12;

/** Address of a bin's records, less the offsets above. */
// @ts-ignore: decorator
@inline export function recordOf(bin: u32): usize {
  return base() + (<usize>bin << 4);
}
/** Bin of a span. */
// @ts-ignore: decorator
@inline export function binOfSpan(span: Span): u32 {
  return (span.next >>> 4) & 15;
}

/** Address of the number of blocks that a bin's spans have, less the offset TOTAL. */
// @ts-ignore: decorator
@inline export function totalOf(bin: u32): usize {
  return base() + (<usize>bin << 2);
}
function addBlocks(bin: u32, blocks: u32): void {
  store<u32>(totalOf(bin), load<u32>(totalOf(bin), TOTAL) + blocks, TOTAL);
}

/** Sets up the records of a new heap. */
export function beginBins(): void {
  for (let bin: u32 = 0; bin < BINS_SMALL; bin++) {
    store<usize>(recordOf(bin), base() + NONE, SPAN);
    store<u32>(recordOf(bin), inverseOf(sizeOf(bin)), INVERSE);
  }
}

/** Puts a span behind the bin's list. */
function append(record: usize, span: Span): void {
  let s = granuleOf(span), last = load<usize>(record, TAIL);
  span.next &= ~LINK;
  span.free = (span.free | LISTED) & ~DETACHED;
  span.prev = (span.prev & ~LINK) | <u32>last;
  if (last) spanOf(last).next |= <u32>s;
  else store<usize>(record, s, HEAD);
  store<usize>(record, s, TAIL);
}
/** Takes a span out of the bin's list. */
function remove(record: usize, span: Span): void {
  let after: usize = span.next & LINK, before: usize = span.prev & LINK;
  if (after) spanOf(after).prev = (spanOf(after).prev & ~LINK) | <u32>before;
  else store<usize>(record, before, TAIL);
  if (before) spanOf(before).next = (spanOf(before).next & ~LINK) | <u32>after;
  else store<usize>(record, after, HEAD);
}

/** Makes a span the active one of its bin. */
function activate(record: usize, span: Span, size: usize): void {
  span.free &= ~STATE;
  store<usize>(record, changetype<usize>(span), SPAN);
  store<usize>(record, granuleOf(span), FIRST);
  store<u64>(record, (<u64>1 << blocksIn(granulesOf(span), size)) - 1, BLOCKS);
}
/** Detaches the active span, which is full. */
function detach(record: usize): void {
  let span = changetype<Span>(load<usize>(record, SPAN));
  if (changetype<usize>(span) == base() + NONE) return;
  span.free |= DETACHED;
}

/** Takes the first free block of the active span, which has one. */
function pop(record: usize, size: usize): usize {
  let span = changetype<Span>(load<usize>(record, SPAN));
  let free = span.free, m = free & load<u64>(record, BLOCKS);
  span.free = free & ~(m & -m);
  return load<usize>(record, FIRST) + <usize>ctz(m) * size;
}

/** A block of a bin whose active span is full: from the next span with room, or a new one. 0 if there is no memory. */
export function refill(bin: u32): usize {
  let record = recordOf(bin), size = sizeOf(bin);
  let head = load<usize>(record, HEAD);
  let span: Span;
  if (head) {
    span = spanOf(head);
    remove(record, span);
  } else {
    let held: u32 = load<u32>(record, HELD), n = granulesFor(bin, held), least = granulesFor(bin, 0);
    span = takeRun(n, least, false);
    if (!changetype<usize>(span)) {
      if (reclaim()) span = takeRun(n, least, false);
      if (!changetype<usize>(span)) span = takeRun(n, least, true);
      if (!changetype<usize>(span)) return 0;
    }
    n = granulesOf(span);
    store<u32>(record, held + n, HELD);
    addBlocks(bin, blocksIn(n, size));
    for (let i: u32 = 0; i < n; i++) changetype<Span>(changetype<usize>(span) - (<usize>i << 4)).next = bin << 4 | i;
  }
  detach(record);
  activate(record, span, size);
  return pop(record, size);
}

/** Releases a span whose blocks are all free and which is in no list. */
function releaseSpan(record: usize, span: Span): void {
  let bin = binOfSpan(span), n = granulesOf(span);
  store<u32>(record, load<u32>(record, HELD) - n, HELD);
  addBlocks(bin, -blocksIn(n, sizeOf(bin)));
  freeRun(span);
}

/** The end of a free that found the span detached, or that left it without blocks: `free` is what it has now. */
export function freed(span: Span, free: u64): void {
  let record = recordOf(binOfSpan(span));
  span.free = free;
  if (free & DETACHED) {
    append(record, span);
    return;
  }
  // Empty. If the bin has nothing else at hand, the span stays.
  let active = changetype<Span>(load<usize>(record, SPAN));
  remove(record, span);
  if (!load<usize>(record, HEAD) && !(active.free & load<u64>(record, BLOCKS))) {
    detach(record);
    activate(record, span, sizeOf(binOfSpan(span)));
  } else releaseSpan(record, span);
}

/** Releases the active spans that hold no blocks. False if there was none. */
export function reclaim(): bool {
  let any = false;
  for (let bin: u32 = 0; bin < BINS_SMALL; bin++) {
    let record = recordOf(bin), span = changetype<Span>(load<usize>(record, SPAN));
    let blocks = load<u64>(record, BLOCKS);
    if (changetype<usize>(span) == base() + NONE || (span.free & blocks) != blocks) continue;
    store<usize>(record, base() + NONE, SPAN);
    releaseSpan(record, span);
    any = true;
  }
  return any;
}

/** A block of n bytes (a multiple of 16, at least BLOCK_MIN) of the arena; what the bins keep is released before the memory
 *  grows. 0 if there is no memory. */
export function obtain(n: usize): usize {
  let p = find(n, TRIES);
  if (p) return p;
  if (reclaim()) {
    p = find(n, TRIES);
    if (p) return p;
  }
  // If the memory may not grow, a look at all free blocks of the bin.
  return find(n, extend(n) ? TRIES : -1);
}

/** As obtain, n bytes and no more at a multiple of `alignment`. */
export function obtainAligned(n: usize, alignment: usize): usize {
  while (true) {
    let p = findAligned(n, alignment, 32);
    if (p) return p;
    let h = header(), top = h.top, a = alignedFrom(top, alignment);
    if (a < top || a > BREAK_MAX - n) break;
    if (a + n <= h.end) return carveTop(a, a + n);
    if (!reclaim() && !extend(a + n - top)) break;
  }
  return findAligned(n, alignment, -1);
}

/** Bytes of the arena's block for a request. */
// @ts-ignore: decorator
@inline export function blockSize(size: usize): usize {
  return max(roundUp(size, CELL), BLOCK_MIN);
}
