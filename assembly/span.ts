// Pages of spans: hands spans of 1 KiB to the bins and takes them back. A page whose spans are all unused goes back to the
// arena.
//
// Invariant: the pages that have an unused span are in one list, which begins at `header.roomy`; no other page is.

import { entryOf, ENTRY_NEXT, ENTRY_PREV, header, mapOf, NO_SPANS, PAGE, roundUp, SPAN } from './layout'
import { binAt, binOf, carve, carveTop, endOfFree, extend, headFrom, isGap, release } from './arena'
import { around, noteUsed } from './shadow'

/** Smallest page of spans, in bytes. */
const PAGE_MIN: usize = 8192
/** Free blocks of the arena that are looked at for a page. */
const TRIES: u32 = 16

/** A span's descriptor. */
// @ts-ignore: decorator
@unmanaged
export class Span {
  free: u64
  next: u32
  prev: u32
}

/** In `next`: the span is neither its bin's active one nor in the bin's list, for it was full when it was there last. */
export const DETACHED: u32 = 1
/** Bit 63 of `free`: the bin wants to know when all blocks are free. */
export const WATCHED: u64 = 1 << 63

/** The descriptor of the span that holds p. */
// @ts-ignore: decorator
@inline export function spanOf(p: usize): Span {
  return changetype<Span>((p | 0xffff) - 1023 + ((p >>> 6) & 0x3f0))
}
/** Address of the span of a descriptor. */
// @ts-ignore: decorator
@inline export function addressOf(span: Span): usize {
  let d = changetype<usize>(span)
  return (d & ~0xffff) | ((d & 0x3f0) << 6)
}

/** A page's number in the list, counted from 1. */
// @ts-ignore: decorator
@inline export function pageOf(p: usize): u32 {
  return <u32>(p >>> 16) + 1
}
/** Address of the entry of a page by such a number. */
// @ts-ignore: decorator
@inline export function entryAt(page: u32): usize {
  return header().entries + ((<usize>page - 1) << 4)
}
/** The spans of the page of spans that begins at s, as bits. */
// @ts-ignore: decorator
@inline export function spansFrom(s: usize): u64 {
  return (<u64>-1 >>> 1) & ((<u64>-1) << (s >>> 10))
}

/** Puts the page that holds p at the head of the list. */
function link(p: usize): void {
  let h = header(),
    entry = entryOf(p),
    first = h.roomy
  store<u16>(entry, first, ENTRY_NEXT)
  store<u16>(entry, 0, ENTRY_PREV)
  if (first) store<u16>(entryAt(first), pageOf(p), ENTRY_PREV)
  h.roomy = pageOf(p)
}
/** Takes a page out of the list. */
function unlink(entry: usize): void {
  let next: u32 = load<u16>(entry, ENTRY_NEXT),
    prev: u32 = load<u16>(entry, ENTRY_PREV)
  if (prev) store<u16>(entryAt(prev), next, ENTRY_NEXT)
  else header().roomy = next
  if (next) store<u16>(entryAt(next), prev, ENTRY_PREV)
}

/** Where a page of spans that ends at `end` starts in [p, end): as low as a gap before it allows. */
// @ts-ignore: decorator
@inline function startIn(p: usize, end: usize): usize {
  let s = max(roundUp(p, SPAN), end - PAGE + SPAN)
  return isGap(s - p) ? s : s + SPAN
}

/** Makes a page of spans out of free memory of the arena, for which the memory may `grow`. False if there is none. */
function newPage(grow: bool): bool {
  while (true) {
    let tries = TRIES
    for (let head = headFrom(binOf(PAGE_MIN)); head && tries; head = headFrom(binAt(head) + 1)) {
      for (let p = load<usize>(head); p != head && tries; p = load<usize>(p), tries--) {
        let stop = endOfFree(p),
          end = roundUp(p + PAGE_MIN, PAGE)
        if (end < p || end > stop || !isGap(stop - end)) continue
        beginPage(carve(p, stop, startIn(p, end), end), end)
        return true
      }
    }
    let top = header().top,
      end = roundUp(top + PAGE_MIN, PAGE)
    if (end < top) return false
    if (end <= header().end) {
      beginPage(carveTop(startIn(top, end), end), end)
      return true
    }
    if (!grow || !extend(end - top)) return false
  }
}

/** Makes the block in use [s, end) a page of spans. */
function beginPage(s: usize, end: usize): void {
  store<u8>(mapOf(s), <u8>(s >>> 10) & 63)
  store<u64>(entryOf(s), spansFrom(s))
  for (let d = end - SPAN + 16; d < end; d += 16) {
    store<u64>(d, -1)
    store<u64>(d, 0, 8)
  }
  count(end - s - SPAN, SPAN)
  link(s)
}

/** Counts bytes of spans and of headers of pages. */
function count(spans: usize, headers: usize): void {
  let h = header()
  h.spanned += spans
  h.fixed += headers
}

/** An unused span, or 0 if there is none and the memory may not `grow`. */
export function takeSpan(grow: bool): usize {
  let h = header()
  if (!h.roomy && !newPage(grow)) return 0
  let entry = entryAt(h.roomy),
    unused = load<u64>(entry)
  let s = ((<usize>(h.roomy - 1)) << 16) + ((<usize>ctz(unused)) << 10)
  unused &= unused - 1
  store<u64>(entry, unused)
  if (!unused) unlink(entry)
  return s
}

/** Takes back the span at s, whose blocks are all free. */
export function releaseSpan(s: usize): void {
  let span = spanOf(s),
    entry = entryOf(s),
    was = load<u64>(entry),
    unused = was | ((<u64>1) << (s >>> 10))
  span.free = -1
  span.next = 0
  span.prev = 0
  store<u64>(entry, unused)
  if (!was) link(s)
  let start = (s & ~0xffff) + ((<usize>load<u8>(mapOf(s))) << 10)
  if (unused != spansFrom(start)) return
  unlink(entry)
  store<u8>(mapOf(s), <u8>NO_SPANS)
  let end = (s | 0xffff) + 1
  count(start + SPAN - end, -SPAN)
  noteUsed(start, end)
  release(start, around(start))
}
