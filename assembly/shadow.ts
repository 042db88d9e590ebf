// The shadow: one bit for each cell of 16 bytes, set where layout.ts says. It lies outside the blocks, so what a program
// writes past a block's end, before its start or after its free never changes what the heap believes.

import { header, entryOf, ENTRY_OUT, CELL, mapOf, NO_SPANS, PAGE, UNTOUCHED } from './layout'

/** Bytes of the longest block whose end is sure to be found among the marks: they are read up to 120 cells from the first cell in the
 *  byte of its own. For a longer one, a distance is noted. */
export const NEAR_MAX: usize = (120 - 8) * CELL

/** Flips the mark on p's cell on or off; `shadow` is header.shadow. Where a block begins then, `touch` is the caller's to call. By the
 *  byte: so narrow a load never waits for a store that holds only part of it. */
// @ts-ignore: decorator
@inline export function flipMark(shadow: usize, p: usize): void {
  let a = shadow + (p >>> 7)
  store<u8>(a, <u8>(<u32>load<u8>(a, 1) ^ (1 << (<u32>(p >>> 4) & 7))), 1)
}
// Bits of the marks around p, as around64 has them: the next cell's; and the previous cell's, p's own and the next cell's.
export const MARK_BEHIND: u64 = 0x200
export const MARKS_AROUND: u64 = 0x380

/** Flips those marks around p that are set in `marks`, whose bits are as around64's. By one store of the width that around64 loads, so
 *  that it need not wait. */
// @ts-ignore: decorator
@inline export function flipMarks(shadow: usize, p: usize, marks: u64): void {
  let a = shadow + (p >>> 7)
  store<u64>(a, load<u64>(a) ^ (marks << ((p >>> 4) & 7)))
}
/** Notes in the map that a block begins at p; one in a page's last cell counts for the next page. So a page has no mark if neither it
 *  nor the next one is touched. */
// @ts-ignore: decorator
@inline export function touch(p: usize): void {
  let page = mapOf(p + CELL)
  if (load<u8>(page) == UNTOUCHED) store<u8>(page, <u8>NO_SPANS)
}
/** Flips the mark on the cell of p, where a block may begin. */
export function flip(p: usize): void {
  flipMark(header().shadow, p)
  touch(p)
}
/** Flips the marks on the cells of p and of q; a block may begin at q or a cell before it. */
export function flipBoth(p: usize, q: usize): void {
  flipMark(header().shadow, p)
  flip(q)
}

/** Makes the block at p, which is in use, a reserved one, or the reverse. */
export function flipReserved(p: usize): void {
  flipBoth(p + CELL, p + 2 * CELL)
}

/** The marks around p: bit 8 is that of p's cell, bit 7 the one before, the bits from 9 to 56 at least those behind. `shadow` is
 *  header.shadow. */
// @ts-ignore: decorator
@inline export function around64(shadow: usize, p: usize): u64 {
  return load<u64>(shadow + (p >>> 7)) >>> ((p >>> 4) & 7)
}
/** As around64, but the bits from 9 to 24. */
// @ts-ignore: decorator
@inline export function around32(p: usize): u64 {
  return load<u32>(header().shadow + (p >>> 7)) >>> (<u32>(p >>> 4) & 7)
}
/** Whether the cell with these marks around is marked. */
// @ts-ignore: decorator
@inline export function isMarked(w: u64): bool {
  return (<u32>w & 0x100) != 0
}
/** Whether a block in use starts at the cell with these marks around: 1 1 0 0. */
// @ts-ignore: decorator
@inline export function isUsed(w: u64): bool {
  return (<u32>w & 0xf00) == 0x300
}
/** Of a cell where a block starts: whether that one is free: 1 0 0. */
// @ts-ignore: decorator
@inline export function isFree(w: u64): bool {
  return (<u32>w & 0x700) == 0x100
}
/** Whether a free block starts at the cell: 1 0 0, and no mark in the two cells before, as the second cell of a block in use and the third
 *  of a reserved one have. */
// @ts-ignore: decorator
@inline export function isFreeStart(w: u64): bool {
  return (<u32>w & 0x7c0) == 0x100
}
/** Of a cell where a block starts: whether that one is reserved: 1 0 1. */
// @ts-ignore: decorator
@inline export function isReserved(w: u64): bool {
  return (<u32>w & 0x700) == 0x500
}
/** Of a cell where a block starts: whether the one before is free. */
// @ts-ignore: decorator
@inline export function followsFree(w: u64): bool {
  return (<u32>w & 0x80) != 0
}

/** Where the block at p, which is not free and has the marks w around its start, ends. */
// @ts-ignore: decorator
@inline export function stopOf(p: usize, w: u64): usize {
  w >>>= 11
  return w ? p + 3 * CELL + ((<usize>ctz(w)) << 4) : farStop(p)
}
function farStop(p: usize): usize {
  // The marks behind those that around64 has.
  let w = load<u64>(header().shadow + (p >>> 7), 8)
  if (w) return (p & ~127) + 56 * CELL + ((<usize>ctz(w)) << 4)
  let cells: usize = load<u16>(distanceOf(p))
  return cells ? (p & ~1023) + (cells << 4) : load<usize>(entryOf(p), ENTRY_OUT)
}
/** The marks of the KiB that holds p: bit i is that of its i-th cell. */
// @ts-ignore: decorator
@inline function marksIn(p: usize): u64 {
  return load<u64>(header().shadow + ((p >>> 10) << 3), 1)
}
/** Whether a block in use begins in the page at p, but for one across the border between two KiB. */
// @ts-ignore: decorator
@inline export function hasBlocks(p: usize): bool {
  let marks: u64 = 0,
    a = header().shadow + (p >>> 7),
    end = a + (PAGE >>> 7)
  do {
    marks |= load<u64>(a, 1)
    a += 8
  } while (a != end)
  // Free blocks may begin or end at such a border.
  return (marks << 1) >>> 2 != 0
}
/** Where the distance of the KiB that holds p stands. */
// @ts-ignore: decorator
@inline function distanceOf(p: usize): usize {
  return header().distances + ((p >>> 10) << 1)
}

/** Notes where the block in use at p ends, which is the last to begin in its KiB. */
// @ts-ignore: decorator
@inline function noteOut(p: usize, stop: usize): void {
  let cells = (stop - (p & ~1023)) >>> 4
  if (cells >> 16) {
    store<usize>(entryOf(p), stop, ENTRY_OUT)
    cells = 0
  }
  store<u16>(distanceOf(p), <u16>cells)
}
/** Notes where the block in use at p ends. */
export function noteUsed(p: usize, end: usize): void {
  if (end - p > NEAR_MAX) noteOut(p, end)
}
/** The first mark from c on, or `end`. Looks at each word between: for walks, not for blocks' sizes. */
export function firstMark(c: usize, end: usize): usize {
  let w = marksIn(c) & ((<u64>-1) << (c >>> 4))
  c &= ~1023
  while (!w) {
    c += 1024
    if (c >= end) return end
    w = marksIn(c)
  }
  return min(c + ((<usize>ctz(w)) << 4), end)
}
