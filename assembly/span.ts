// Pages of spans: hands spans of 1 KiB to the bins and takes them back. A page whose spans are all unused goes back to the
// arena.
//
// Invariant: the entries' roomy bits say which pages have an unused span, and none has below `header.roomy`.

import {
  base,
  CELL,
  entryOf,
  ENTRY_ROOMY,
  header,
  mapOf,
  NO_SPANS,
  PAGE,
  pageEnd,
  pageStart,
  roundUp,
  SPAN,
  spanNumber,
} from './layout'
import { carveTop, findAligned, releaseAt, startFrom } from './arena'
import { ensureNodes, extend } from './growth'
import { around32, followsFree } from './shadow'

/** Smallest page of spans, in bytes. */
const PAGE_MIN: usize = 8192
/** Bytes of a cache line. */
const LINE: usize = 64
/** Bytes at the heap's beginning in which pages of spans take no more than they need … */
const SMALL_HEAP: usize = 4 * PAGE
/** … the bytes of spans that they begin with … */
export const FIRST_SPANS: usize = 6 * SPAN
/** … and those that they are lowered by. */
const STEP: usize = 2 * SPAN
/** Free blocks of the arena that are looked at for a page. */
const PAGE_TRIES: u32 = 16

/** A span's descriptor. */
// @ts-ignore: decorator
@unmanaged
export class Span {
  free: u64
  next: u32
  prev: usize
}

/** In place of `prev`: the span is in no list; all its blocks are in use, though `free` is -1. */
export const DETACHED: usize = 1
/** In place of `prev`: the span is its bin's active one, and was kept when all its blocks were free: free keeps it again, unasked. */
export const KEPT: usize = 2

/** In place of `prev`: the span is the first of a run, which is one block of `next` bytes. */
export const RUN: usize = 3

/** The descriptor of the span that holds p. */
// @ts-ignore: decorator
@inline export function spanOf(p: usize): Span {
  return changetype<Span>((p | 0xffff) - 1023 + ((p >>> 6) & 0x3f0))
}
/** Whether a descriptor is that of its page's header, which is no span: a write before the block behind it may have changed it. */
// @ts-ignore: decorator
@inline export function isHeader(span: Span): bool {
  return (~(<u32>changetype<usize>(span)) & 0x3f0) == 0
}
/** Where the page of spans that holds p begins. */
function spansStart(p: usize): usize {
  return pageStart(p) + ((<usize>load<u8>(mapOf(p))) << 10)
}
/** Address of the span of a descriptor. */
// @ts-ignore: decorator
@inline export function addressOf(span: Span): usize {
  let d = changetype<usize>(span)
  return pageStart(d) | ((d & 0x3f0) << 6)
}

/** Prefetches the span at s: reads each of its cache lines, so that they come from memory all at once, not one by one as they are used. */
export function prefetch(s: usize): void {
  do {
    load<u8>(s)
    s += LINE
  } while (s & (SPAN - 1))
}

/** The spans of the page of spans that begins at s, as bits. */
// @ts-ignore: decorator
@inline export function spansFrom(s: usize): u64 {
  return ((<u64>-2) << (s >>> 10)) >>> 1
}

/** Number of the 2 MiB stretch that holds p, counted from the heap's first one. */
// @ts-ignore: decorator
@inline export function groupOf(p: usize): u32 {
  return <u32>((p >>> 21) - (base() >>> 21))
}
/** Address of a group's bits: bit i says whether the i-th page of its 2 MiB has an unused span. */
// @ts-ignore: decorator
@inline export function roomyPages(group: u32): usize {
  return entryOf(base()) + ((<usize>group) << 4) + ENTRY_ROOMY
}
/** Flips the bit that says whether the page that holds p has an unused span. */
function flipRoomy(p: usize): void {
  let h = header(),
    group = groupOf(p),
    pages = roomyPages(group)
  store<u32>(pages, load<u32>(pages) ^ (1 << (p >>> 16)))
  h.roomy = min(h.roomy, group)
}
/** The first page that has an unused span, or -1. */
function firstRoomy(): usize {
  let h = header()
  for (let group = h.roomy; group <= groupOf(h.end); group++) {
    h.roomy = group
    let pages = load<u32>(roomyPages(group))
    if (pages) return (((base() >>> 21) + group) << 21) + ((<usize>ctz(pages)) << 16)
  }
  return -1
}

/** Makes unused spans, where no page has any: below those of the last page, or in a new one, which is cut from top if it may `grow`.
 *  Returns where they begin; 0 if there is no memory, or what the bins have kept since the heap was empty is to be released first. */
function newSpans(grow: bool): usize {
  let h = header()
  while (true) {
    let s: usize = grow || !h.emptied ? lowerLast() : 0
    if (s) return s
    if (!ensureNodes(0)) return 0
    s = findAligned(PAGE_MIN, PAGE, PAGE_TRIES, PAGE_MIN)
    if (!s) {
      if (!grow) return 0
      let top = h.top,
        end = roundUp(top + PAGE_MIN, PAGE) // 0 at the end of all addresses
      if (end - 1 < h.end) s = carveTop(lowest(top, end, end - SPAN, FIRST_SPANS), end)
      else if (!extend(end - top, 0)) return 0
    }
    if (s) {
      beginPage(s)
      return s
    }
  }
}
/** Makes the block in use from s to its page's end a page of spans, all unused. */
function beginPage(s: usize): void {
  let spansEnd = pageEnd(s) - SPAN
  memory.fill(spansEnd + CELL, 0xff, SPAN - CELL)
  header().fixed += SPAN
  addSpans(s, spansEnd)
}
/** Where a page of spans that ends at `end` begins if it takes what is free from p to `was`: as low as it can; in a small heap, whose
 *  larger blocks may need the rest, no more than so many bytes before `was`. */
function lowest(p: usize, end: usize, was: usize, bytes: usize): usize {
  let s = startFrom(p, end)
  return end - base() < SMALL_HEAP && was - s > bytes ? was - bytes : s
}
/** Makes the page of spans that ends at top begin lower. Returns where; 0 if there is no such page, or no free memory before it. */
function lowerLast(): usize {
  let h = header(),
    end = h.top,
    was = spansStart(end - 1)
  if (was >= end || !followsFree(around32(was))) return 0
  releaseAt(was)
  let s = lowest(h.top, end, was, STEP)
  carveTop(s, end)
  if (s == was) return 0
  addSpans(s, was)
  return s
}
/** Lets the page of spans, which had no unused one, begin at s, with those up to `end` unused. */
function addSpans(s: usize, end: usize): void {
  flipRoomy(s)
  header().fixed += end - s
  store<u8>(mapOf(s), <u8>spanNumber(s))
  store<u64>(entryOf(s), spansFrom(s) & ~spansFrom(end))
}

/** An unused span; null if there is none, and newSpans makes none. */
export function takeSpan(grow: bool): Span {
  let page = firstRoomy()
  if (page == -1) {
    page = newSpans(grow)
    if (!page) return changetype<Span>(0)
  }
  let entry = entryOf(page),
    unused = load<u64>(entry),
    left = unused & (unused - 1)
  store<u64>(entry, left)
  if (!left) flipRoomy(page)
  let s = pageStart(page) + ((<usize>ctz(unused)) << 10)
  // Written before it is read: in a page of the system's that was never touched, a read and then a write would fault twice.
  store<u8>(s, 0)
  prefetch(s)
  return spanOf(s)
}

/** A run of n bytes, rounded up to whole spans: unused ones of one page that follow one another. 0 if no page has so many. Calls itself,
 *  so that optimizers leave it out of malloc's slow path. */
export function takeRun(n: usize): usize {
  if (n & (SPAN - 1)) return takeRun(roundUp(n, SPAN))
  for (let page = pageStart(base()); page < header().top; page += PAGE) {
    let entry = entryOf(page),
      unused = load<u64>(entry),
      starts = unused
    if (load<u8>(mapOf(page)) >= NO_SPANS) continue
    // A bit stays if the next one is set, too; and so on, once for each further span.
    for (let left = n; (left -= SPAN) && starts; ) starts &= starts >>> 1
    if (starts) {
      let number = <usize>ctz(starts),
        span = changetype<Span>(page + (number << 4) + (PAGE - SPAN)) // as spanOf, for less code where the page is known
      starts &= -starts
      unused ^= (starts << (n >>> 10)) - starts
      store<u64>(entry, unused)
      if (!unused) flipRoomy(page)
      span.free = ~1
      span.next = <u32>n
      span.prev = RUN
      return page + (number << 10)
    }
  }
  return 0
}
/** Takes back the spans of a run from s on, `bytes` of them. Calls itself, so that optimizers leave it out of free's slow path. */
export function releaseRun(s: usize, bytes: usize): void {
  releaseSpan(s)
  if (bytes > SPAN) releaseRun(s + SPAN, bytes - SPAN)
}

/** Takes back the span at s, whose blocks are all free. */
export function releaseSpan(s: usize): void {
  let entry = entryOf(s),
    was = load<u64>(entry),
    unused = was | ((<u64>1) << (s >>> 10)),
    start = spansStart(s)
  store<u64>(entry, unused)
  if (!was) flipRoomy(s)
  if (unused != spansFrom(start)) return
  flipRoomy(s)
  releaseAt(start)
  store<u8>(mapOf(s), <u8>NO_SPANS)
  header().fixed -= pageEnd(s) - start
}
