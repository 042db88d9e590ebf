// heap_stats: what the heap holds, from the counters of the slow paths and a walk over the pages and the spans with room.

import { base, entryOf, header, mapOf, NO_SPANS, PAGE, pageStart, SPAN } from './layout'
import { Span, spansFrom } from './span'
import { activeOf, CELLS, HEAD, HELD, nextOf, recordOf } from './bin'
import { BINS_SMALL, sizeOf } from './size'
import { ready } from './start'

/** What heap_stats stores, each a u32. */
// @ts-ignore: decorator
@unmanaged
class Stats {
  /** Bytes from the heap's base to the break. */
  heap: usize
  /** Bytes in blocks in use, as the heap rounded them. */
  inUse: usize
  /** Bytes in mappings. */
  mapped: usize
  /** Bytes that requests may be given before the break moves: free blocks and the stretch before the tables. */
  free: usize
  /** The most bytes that were not free in the arena, each time the break had just moved for a request, or now: a sample, pages of
   *  spans counted whole. */
  peak: usize
  /** Times that the memory grew. */
  growths: u32
}

/** Free blocks in the spans of a bin, which begin at these cells. */
function freeBlocks(record: usize, cells: u64): u32 {
  let n = <u32>popcnt(cells & activeOf(record).free)
  for (let d = load<usize>(record, HEAD); d; d = nextOf(changetype<Span>(d)))
    n += <u32>popcnt(cells & changetype<Span>(d).free)
  return n
}

/** Spans in pages of spans; with `unused`, those that are unused. */
function countSpans(unused: bool): usize {
  let n: u64 = 0
  for (let page = pageStart(base()); page < header().top; page += PAGE) {
    let first: usize = load<u8>(mapOf(page))
    if (first < <usize>NO_SPANS) n += popcnt(unused ? load<u64>(entryOf(page)) : spansFrom(first << 10))
  }
  return <usize>n
}

/** Stores six u32 at `out`, 24 bytes of the caller's at any alignment: bytes of the heap, in blocks in use (as the heap rounded
 *  them), in mappings, free (what requests may be given before the break moves); the sampled peak of bytes that were not free in the
 *  arena, pages of spans counted whole; and how often the memory grew. All zero if there is no memory to begin a heap in. Exact but
 *  for the peak, in O(pages + spans with room). */
export function stats(out: usize): void {
  let s = changetype<Stats>(out)
  memory.fill(out, 0, offsetof<Stats>())
  if (!ready()) return
  let h = header(),
    used = h.top - base() - h.freeBytes
  let small: usize = 0,
    unused = countSpans(true),
    runs = countSpans(false) - unused,
    smallFree = unused * SPAN
  for (let bin: u32 = 0; bin < BINS_SMALL; bin++) {
    let record = recordOf(bin),
      cells = load<u64>(record, CELLS),
      free = freeBlocks(record, cells),
      spans = load<u32>(record, HELD)
    small += <usize>(spans * <u32>popcnt(cells) - free) * sizeOf(bin)
    smallFree += <usize>free * sizeOf(bin)
    runs -= spans // leaves those that no bin holds
  }
  s.heap = h.brk - base()
  s.mapped = (<usize>h.mapped) << 16
  s.inUse = used - h.fixed - s.mapped + small + runs * SPAN
  s.free = h.freeBytes + (h.end - h.top) + smallFree
  h.peak = max(h.peak, used)
  s.peak = h.peak
  s.growths = h.growths
}
