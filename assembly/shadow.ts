// The shadow: one bit for each cell of 16 bytes, set where layout.ts says. It lies outside the blocks, so what a program
// writes past a block's end, before its start or after its free never changes what the heap believes.

import { header, entryOf, ENTRY_OUT, CELL, mapOf, NO_SPANS, UNTOUCHED } from './layout'

/** Bytes of the longest block whose end is found among the marks, 120 cells from the beginning of the byte with its own; of longer ones
 *  in use, a distance tells. */
const NEAR_MAX: usize = (120 - 8) * CELL

/** Turns the mark on p's cell, where no block begins that `touch` does not know of; `shadow` is header.shadow. By the byte, so that
 *  no load waits for a store that has only part of what it wants. */
// @ts-ignore: decorator
@inline export function turnMark(shadow: usize, p: usize): void {
  let a = shadow + (p >>> 7)
  store<u8>(a, <u8>(<u32>load<u8>(a, 1) ^ (1 << (<u32>(p >>> 4) & 7))), 1)
}
// Of the marks around p, as around64 has them: that of the cell behind p's; and those of the cell before, of p's, and of that behind.
export const MARK_BEHIND: u64 = 0x200
export const MARKS_AROUND: u64 = 0x380

/** Turns those marks around p that are set in `marks`, whose bits are as around64's. By one store of the width that around64 loads, so
 *  that it need not wait. */
// @ts-ignore: decorator
@inline export function turnMarks(shadow: usize, p: usize, marks: u64): void {
  let a = shadow + (p >>> 7)
  store<u64>(a, load<u64>(a) ^ (marks << ((p >>> 4) & 7)))
}
/** Notes that a block begins at p. So where neither a page nor the one behind it is touched, the page has no mark. */
// @ts-ignore: decorator
@inline export function touch(p: usize): void {
  let page = mapOf(p + CELL)
  if (load<u8>(page) == UNTOUCHED) store<u8>(page, <u8>NO_SPANS)
}
/** Turns the mark on the cell of p, where a block may begin. */
export function turn(p: usize): void {
  turnMark(header().shadow, p)
  touch(p)
}
/** Turns the marks on the cells of p and of q; a block may begin at q or a cell before it. */
export function turnBoth(p: usize, q: usize): void {
  turnMark(header().shadow, p)
  turn(q)
}

/** Makes the block at p, which is in use, a reserved one, or the reverse. */
export function turnReserved(p: usize): void {
  turnBoth(p + CELL, p + 2 * CELL)
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
/** Whether a free block starts at the cell: 1 0 0, and no mark before, as the second cell of a block in use has. */
// @ts-ignore: decorator
@inline export function isFreeStart(w: u64): bool {
  return (<u32>w & 0x780) == 0x100
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

/** Where the block that starts at p with the marks w around ends, which is not free. */
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
  noteUsedInline(p, end)
}
/** As noteUsed, without a call. */
// @ts-ignore: decorator
@inline export function noteUsedInline(p: usize, end: usize): void {
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
