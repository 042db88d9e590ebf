// heap_verify: walks the whole heap and checks every invariant that layout.ts and the layers document.

import {
  ABI_VERSION, base, BLOCK_MIN, CELL, ENTRY_NEXT, ENTRY_PREV, entryOf, header, HEADER_SIZE,
  MAGIC, mapOf, MAPPED, NO_SPANS, NONE, PAGE, PAGES, STEP_BITS, STEPS,
} from "./layout";
import { VARIANT } from "./config";
import { around, firstMark, followsFree, isFree, isReserved, isUsed, startOf, stopOf } from "./shadow";
import { binOf, headOf, LISTED as BINNED } from "./arena";
import { addressOf, granuleOf, granulesFrom, granulesOf, DETACHED, headerEnd, LINK, LISTED, LISTS, listOf, longestRun, pageOf, Span, spanOf, STATE } from "./span";
import { binOfSpan, BLOCKS, FIRST, HEAD, HELD, INVERSE, recordOf, SPAN, TAIL } from "./bin";
import { ready } from "./malloc";
import { BINS_SMALL, blocksIn, inverseOf, sizeOf } from "./size";

/** The header: magic number, ABI version and variant are those of this module. */
const HEADER: u32 = 1;
/** top, end, the break and the limit are in this order, and where they may be. */
const BORDERS: u32 = 2;
/** The blocks follow one another without a gap from the tables to top, each with the marks of one kind. */
const ROW: u32 = 3;
/** No two free blocks touch, none touches top. */
const JOINED: u32 = 4;
/** Where a block ends, and where a free one starts, is found from its other end. */
const REACH: u32 = 5;
/** Each free block of 256 bytes and more is in its bin's list once, and nothing else is; the bitmaps agree. */
const IN_BINS: u32 = 6;
/** The counter of free bytes is their sum. */
const COUNTED: u32 = 7;
/** A page of spans is one block up to its page's end; its free granules are in no span; it is in the list of its run. */
const PAGE_LIST: u32 = 8;
/** Every granule of a page of spans that is not free is in one span. */
const GRANULES: u32 = 9;
/** A span's free bits beyond its blocks are set, and its descriptor agrees with its bin. */
const DESCRIPTOR: u32 = 10;
/** A span is exactly one of active, listed, detached; detached ones are full, listed ones not, the active one's bit is clear. */
const STATES: u32 = 11;
/** A bin holds as many granules as it has counted. */
const HELD_SUM: u32 = 12;
/** The pages marked as mapped are those of mappings, which are as many as counted. */
const MAPPINGS: u32 = 13;

/** Whether p is in the list of its bin. */
function isListed(p: usize, n: usize): bool {
  let head = headOf(binOf(n)), before = head;
  for (let q = load<usize>(head); q != head; q = load<usize>(q)) {
    if (q - base() >= header().extent || load<usize>(q, 4) != before) return false;
    if (q == p) return load<u32>(q, 8) == n;
    before = q;
  }
  return false;
}

/** Whether a span is in the list of its bin. */
function isOnList(record: usize, span: Span): bool {
  let before: usize = 0, last = load<usize>(record, TAIL);
  for (let s = load<usize>(record, HEAD); s; s = spanOf(s).next & LINK) {
    if (s - base() >= header().extent || (spanOf(s).prev & LINK) != before) return false;
    if (spanOf(s) == span) return s == last || (span.next & LINK) != 0;
    before = s;
  }
  return false;
}

function verifySpan(span: Span): u32 {
  let bin = binOfSpan(span), record = recordOf(bin), n = granulesOf(span), size = sizeOf(bin);
  if (bin >= BINS_SMALL || load<u32>(record, INVERSE) != inverseOf(size)) return DESCRIPTOR;
  for (let i: u32 = 0; i < n; i++) {
    let info = changetype<Span>(changetype<usize>(span) - (<usize>i << 4)).next;
    if ((info & 0xFF) != (bin << 4 | i)) return DESCRIPTOR;
  }
  let blocks = (<u64>1 << blocksIn(n, size)) - 1;
  if ((span.free | blocks | STATE) != -1) return DESCRIPTOR;
  let active = load<usize>(record, SPAN) == changetype<usize>(span), listed = isOnList(record, span);
  let state = span.free & STATE, detached = (state & DETACHED) != 0;
  if (<u32>active + <u32>listed + <u32>detached != 1 || active != !state || listed != (state == LISTED)) return STATES;
  if (active && (load<usize>(record, FIRST) != granuleOf(span) || load<u64>(record, BLOCKS) != blocks)) return STATES;
  if (detached && span.free & blocks) return STATES;
  if (listed && !(span.free & blocks)) return STATES;
  return 0;
}

/** Verifies the page of spans that starts at s; adds its granules to the bins' sums at `sums`. */
function verifyPage(s: usize): u32 {
  let first = <u32>(s >>> 10) & 63, page = pageOf(s), all = granulesFrom(s), last = <u32>(headerEnd(s) >>> 10) & 63;
  let free = load<u64>(entryOf(s));
  if (s & 1023 || load<u8>(mapOf(s)) != first || free & ~all || free == all) return PAGE_LIST;
  if (free) {
    let before: u32 = 0, q = load<u32>(listOf(longestRun(free)), PAGES);
    for (; q && q != page; q = load<u16>(entryOf(addressOf(q)), ENTRY_NEXT)) before = q;
    if (!q || load<u16>(entryOf(s), ENTRY_PREV) != before) return PAGE_LIST;
  }
  for (let g = first; g < 64; g++) {
    let span = spanOf((s & ~0xFFFF) + (<usize>g << 10));
    if (g == last || (free >>> g) & 1) {
      if (span.free != -1 || span.next || span.prev) return GRANULES;
      continue;
    }
    let n = granulesOf(span), run = ((<u64>1 << n) - 1) << g;
    if (!n || g + n > 64 || run & (free | ~all)) return GRANULES;
    let wrong = verifySpan(span);
    if (wrong) return wrong;
    g += n - 1;
  }
  return 0;
}

/** Granules that a bin's spans have, of all that are listed or active or, by the walk, detached. */
function granulesOfBin(bin: u32): u32 {
  let h = header(), sum: u32 = 0;
  for (let page = <u32>(base() >>> 16); page < <u32>(h.end >>> 16); page++) {
    let p = <usize>page << 16, first: u32 = load<u8>(mapOf(p));
    if (first >= NO_SPANS) continue;
    let held = granulesFrom(p + (<usize>first << 10)) & ~load<u64>(entryOf(p));
    for (let g = first; g < 64; g++) {
      if ((held >>> g) & 1 && binOfSpan(spanOf(p + (<usize>g << 10))) == bin) sum++;
    }
  }
  return sum;
}

function verifyBins(): u32 {
  let h = header();
  for (let e: u32 = 0; e < 24; e++) {
    let steps: u32 = 0;
    for (let i: u32 = 0; i < 1 << STEP_BITS; i++) {
      let head = headOf((e << STEP_BITS) + i);
      for (let p = load<usize>(head); p != head; p = load<usize>(p)) {
        steps |= 1 << i;
        if (p - base() >= h.extent || !isFree(around(p)) || binOf(load<u32>(p, 8)) != (e << STEP_BITS) + i) return IN_BINS;
      }
    }
    if (steps & ~load<u32>(base() + (<usize>e << 2), STEPS) || (steps && !((h.exponents >>> e) & 1))) return IN_BINS;
  }
  for (let bin: u32 = 0; bin < BINS_SMALL; bin++) if (granulesOfBin(bin) != load<u32>(recordOf(bin), HELD)) return HELD_SUM;
  return 0;
}

/** 0 if the heap is sound, else the number of the invariant that is broken. */
export function verify(): u32 {
  if (!ready()) return 0; // there is none
  let h = header();
  if (h.magic != MAGIC || h.abi != (ABI_VERSION << 8 | VARIANT)) return HEADER;
  if (h.top > h.end || h.end & (PAGE - 1) || h.floor > h.brk || h.end > h.brk || h.brk > <usize>h.limit << 16) return BORDERS;
  if (h.extent != h.end - base() || <u32>(h.end >>> 16) >= h.capacity || h.limit > <u32>memory.size()) return BORDERS;
  let p = base() + HEADER_SIZE, afterFree = false, binned: usize = 0, mapped: u32 = 0;
  while (p != h.top) {
    if (p > h.top) return ROW;
    let w = around(p), end: usize;
    if (followsFree(w) != afterFree) return ROW;
    afterFree = false;
    let first: u32 = load<u8>(mapOf(p));
    if (<u32>(p >>> 10 & 63) >= first) {
      end = (p | 0xFFFF) + 1;
      if (!isUsed(w) || firstMark(p + 2 * CELL, end) != end) return ROW;
      let wrong = verifyPage(p);
      if (wrong) return wrong;
    } else if (isUsed(w)) {
      end = firstMark(p + 2 * CELL, h.top);
      if (stopOf(p, w) != end) return REACH;
    } else if (isFree(w)) {
      let last = firstMark(p + CELL, h.top);
      end = last + CELL;
      if (end >= h.top) return JOINED;
      if (stopOf(p, w) != last || startOf(last) != p) return REACH;
      if (end - p >= BINNED && !isListed(p, end - p)) return IN_BINS;
      binned += end - p;
      afterFree = true;
      if (isFree(around(end))) return JOINED;
    } else {
      if (!isReserved(w)) return ROW;
      end = firstMark(p + 3 * CELL, h.top);
      if (first == MAPPED) {
        if (p & (PAGE - 1) || end & (PAGE - 1)) return MAPPINGS;
        for (let q = p; q < end; q += PAGE, mapped++) if (load<u8>(mapOf(q)) != MAPPED) return MAPPINGS;
      }
    }
    if (end - p < BLOCK_MIN) return ROW;
    p = end;
  }
  if (afterFree) return JOINED;
  if (binned != h.binned) return COUNTED;
  if (mapped != h.mapped) return MAPPINGS;
  return verifyBins();
}
