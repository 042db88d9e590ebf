// Pages of spans, cut into granules of 1 KiB: finds runs of granules for the bins and takes them back. A page whose
// granules are all free goes back to the arena.
//
// Invariant: a page with a free granule is in the list of the logarithm of its longest free run, no other page is.

import {
  base, entryOf, ENTRY_NEXT, ENTRY_PREV, GRANULE, header, mapOf, NO_SPANS, PAGE, PAGES, roundUp,
} from "./layout";
import { binAt, binOf, carve, carveTop, endOfFree, extend, headFrom, isGap, releasePart } from "./arena";

/** Smallest page of spans, in bytes. */
const PAGE_MIN: usize = 8192;
/** Free blocks of the arena, or pages of one list, that are looked at. */
const TRIES: u32 = 16;
/** Lists of pages: for longest runs of 1, 2–3, 4–7, … 32–63 granules. */
export const LISTS: u32 = 6;

// --------------------------------------------------------------------------------------------------------- descriptors

/** The descriptor of a granule. In a span of several, the first one's holds the span's state. */
// @ts-ignore: decorator
@unmanaged
export class Span {
  free: u64;
  next: u32;
  prev: u32;
}

/** Address bits of `next` and `prev`. */
export const LINK: u32 = ~1023;
// A span's state, in `free`. Neither: it is its bin's active one.
/** It is in its bin's list. If all blocks are free, adding 1 to `free` makes it negative … */
export const LISTED: u64 = 1 << 62;
/** … as it does for a span that is neither, because it was full when it was looked at last. */
export const DETACHED: u64 = 1 << 63;
export const STATE: u64 = LISTED | DETACHED;

/** Address of the last byte of the header of the page of spans that holds p. */
// @ts-ignore: decorator
@inline export function headerEnd(p: usize): usize {
  return (p | 0xFFFF) - ((p >>> 6) & 0x1C00);
}
/** The descriptor of the granule that holds p. */
// @ts-ignore: decorator
@inline export function spanOf(p: usize): Span {
  let end = headerEnd(p);
  return changetype<Span>(end - 1023 + (((end - p) >>> 6) & 0x3F0));
}
/** Address of the granule of a descriptor. */
// @ts-ignore: decorator
@inline export function granuleOf(span: Span): usize {
  let d = changetype<usize>(span);
  return (d & ~0xFFFF) | ((d - ((d & 0x3F0) << 6)) & 0xFC00);
}
/** The descriptor `n` granules before. */
// @ts-ignore: decorator
@inline export function back(span: Span, n: u32): Span {
  return changetype<Span>(changetype<usize>(span) + (<usize>n << 4));
}
// @ts-ignore: decorator
@inline export function granulesOf(span: Span): u32 {
  return span.prev & ~LINK;
}

// --------------------------------------------------------------------------------------------------------------- pages

/** A page's number in the lists, counted from 1: 0 is none. */
// @ts-ignore: decorator
@inline export function pageOf(p: usize): u32 {
  return <u32>(p >>> 16) + 1;
}
// @ts-ignore: decorator
@inline export function addressOf(page: u32): usize {
  return <usize>(page - 1) << 16;
}
// @ts-ignore: decorator
@inline export function listOf(list: u32): usize {
  return base() + (<usize>list << 2);
}
/** The granules for spans of the page of spans that begins at s. */
// @ts-ignore: decorator
@inline export function granulesFrom(s: usize): u64 {
  return (<u64>-1 << (s >>> 10)) & ~(<u64>1 << (headerEnd(s) >>> 10));
}

/** The logarithm of the longest run of set bits in m, which has one. */
export function longestRun(m: u64): u32 {
  let k: u32 = 0, by: u32 = 1;
  while ((m &= m >>> by)) {
    k++;
    by <<= 1;
  }
  return k;
}
/** The first of each n set bits in a row. */
function runsOf(m: u64, n: u32): u64 {
  let left = n - 1, by: u32 = 1;
  while (left) {
    let k = min(by, left);
    m &= m >>> k;
    left -= k;
    by <<= 1;
  }
  return m;
}

function link(page: u32, list: u32): void {
  let entry = entryOf(addressOf(page)), head = listOf(list), first = load<u32>(head, PAGES);
  store<u16>(entry, first, ENTRY_NEXT);
  store<u16>(entry, 0, ENTRY_PREV);
  if (first) store<u16>(entryOf(addressOf(first)), page, ENTRY_PREV);
  store<u32>(head, page, PAGES);
}
function unlink(page: u32, list: u32): void {
  let entry = entryOf(addressOf(page));
  let after: u32 = load<u16>(entry, ENTRY_NEXT), before: u32 = load<u16>(entry, ENTRY_PREV);
  if (before) store<u16>(entryOf(addressOf(before)), after, ENTRY_NEXT);
  else store<u32>(listOf(list), after, PAGES);
  if (after) store<u16>(entryOf(addressOf(after)), before, ENTRY_PREV);
}
/** Sets the free granules of a page, which were `old`, and moves it to the list where it belongs now. */
function setFree(page: u32, old: u64, free: u64): void {
  store<u64>(entryOf(addressOf(page)), free);
  let from = old ? longestRun(old) : LISTS, to = free ? longestRun(free) : LISTS;
  if (from == to) return;
  if (old) unlink(page, from);
  if (free) link(page, to);
}

/** Where a page of spans that ends at `end` starts in [p, end): as low as a gap before it allows. */
// @ts-ignore: decorator
@inline function startIn(p: usize, end: usize): usize {
  let s = max(roundUp(p, GRANULE), end - PAGE);
  return isGap(s - p) ? s : s + GRANULE;
}

/** The number of a new page of spans from the arena, for which the memory may `grow`; 0 if there is none. */
function newPage(grow: bool): u32 {
  while (true) {
    let tries = TRIES;
    for (let head = headFrom(binOf(PAGE_MIN)); head && tries; head = headFrom(binAt(head) + 1)) {
      for (let p = load<usize>(head); p != head && tries; p = load<usize>(p), tries--) {
        let stop = endOfFree(p), end = roundUp(p + PAGE_MIN, PAGE);
        if (end <= stop && isGap(stop - end)) return beginPage(carve(p, stop, startIn(p, end), end), end);
      }
    }
    let top = header().top, end = roundUp(top + PAGE_MIN, PAGE);
    if (end <= header().end) return beginPage(carveTop(startIn(top, end), end), end);
    if (!grow || !extend(end - top)) return 0;
  }
}

/** Counts the bytes of a page of spans, which are negative if it ceases to be one. */
function count(bytes: usize): void {
  let h = header(), own = <isize>bytes < 0 ? -GRANULE : GRANULE;
  h.spanned += bytes - own;
  h.fixed += own;
}

/** Makes the block in use [s, end) a page of spans. */
function beginPage(s: usize, end: usize): u32 {
  let page = pageOf(s);
  store<u8>(mapOf(s), <u8>(s >>> 10) & 63);
  count(end - s);
  let last = headerEnd(s);
  for (let d = last - 1023; d < last; d += 16) {
    let span = changetype<Span>(d);
    span.free = -1;
    span.next = 0;
    span.prev = 0;
  }
  setFree(page, 0, granulesFrom(s));
  return page;
}

/** A run of `n` granules, or if that would take a new page, of `least`; its length is noted in `prev` of its descriptor.
 *  0 if there is none and the memory may not `grow`. */
export function takeRun(n: u32, least: u32, grow: bool): Span {
  let page: u32 = 0, runs: u64 = 0;
  while (true) {
    let list: u32 = 31 - clz(n), tries = TRIES;
    page = load<u32>(listOf(list), PAGES);
    while (page && tries--) {
      runs = runsOf(load<u64>(entryOf(addressOf(page))), n);
      if (runs) break;
      page = load<u16>(entryOf(addressOf(page)), ENTRY_NEXT);
    }
    while (!runs && ++list < LISTS) {
      page = load<u32>(listOf(list), PAGES);
      if (page) runs = runsOf(load<u64>(entryOf(addressOf(page))), n);
    }
    if (runs) break;
    if (n == least) {
      page = newPage(grow);
      if (!page) return changetype<Span>(0);
    } else n = least;
  }
  let free = load<u64>(entryOf(addressOf(page))), g = <u32>ctz(runs);
  setFree(page, free, free & ~(((<u64>1 << n) - 1) << g));
  let span = spanOf(addressOf(page) + (<usize>g << 10));
  span.prev = n;
  return span;
}

/** Gives a span's granules back. */
export function freeRun(span: Span): void {
  let p = granuleOf(span), n = granulesOf(span), page = pageOf(p);
  for (let i: u32 = 0; i < n; i++) {
    let s = changetype<Span>(changetype<usize>(span) - (<usize>i << 4));
    s.free = -1;
    s.next = 0;
    s.prev = 0;
  }
  let old = load<u64>(entryOf(p)), free = old | (((<u64>1 << n) - 1) << (p >>> 10));
  let start = addressOf(page), s = start + (<usize>load<u8>(mapOf(p)) << 10);
  if (free != granulesFrom(s)) {
    setFree(page, old, free);
    return;
  }
  if (old) unlink(page, longestRun(old));
  store<u8>(mapOf(p), <u8>NO_SPANS);
  count(s - start - PAGE);
  releasePart(s, start + PAGE);
}
