// The shadow: one bit for each cell of 16 bytes, set where layout.ts says. It lies outside the blocks, so what a program
// writes past a block's end, before its start or after its free never changes what the heap believes.

import { header, entryOf, ENTRY_IN, ENTRY_OUT, CELL } from "./layout";

// @ts-ignore: decorator
@inline function byteOf(p: usize): usize {
  return header().shadow + (p >>> 7);
}

// @ts-ignore: decorator
@inline function bitOf(p: usize): u32 {
  return <u32>(p >>> 4) & 7;
}

/** Marks the cell at p. */
export function mark(p: usize): void {
  let a = byteOf(p);
  store<u32>(a, load<u32>(a) | (1 << bitOf(p)));
}
/** Takes the mark of the cell at p away. */
export function unmark(p: usize): void {
  let a = byteOf(p);
  store<u32>(a, load<u32>(a) & ~(1 << bitOf(p)));
}
/** Marks the first and third cell of a free block. */
export function markFree(p: usize): void {
  let a = byteOf(p);
  store<u32>(a, load<u32>(a) | (5 << bitOf(p)));
}
/** Takes both marks of markFree away. */
export function unmarkFree(p: usize): void {
  let a = byteOf(p);
  store<u32>(a, load<u32>(a) & ~(5 << bitOf(p)));
}
/** Marks the start of a reserved block. */
export function markReserved(p: usize): void {
  let a = byteOf(p);
  store<u32>(a, load<u32>(a) | (21 << bitOf(p)));
}
/** Takes the marks of markReserved away. */
export function unmarkReserved(p: usize): void {
  let a = byteOf(p);
  store<u32>(a, load<u32>(a) & ~(21 << bitOf(p)));
}

/** The marks around p: bit 8 is that of p's cell, higher bits are the cells behind, lower ones those before. */
// @ts-ignore: decorator
@inline export function around(p: usize): u32 {
  return load<u32>(byteOf(p) - 1) >>> bitOf(p);
}
/** Whether a block in use starts at the cell with these marks around. */
// @ts-ignore: decorator
@inline export function isUsed(w: u32): bool {
  return (w & 0x740) == 0x100;
}
/** Whether a free block starts there. */
// @ts-ignore: decorator
@inline export function isFree(w: u32): bool {
  return (w & 0x740) == 0x500 && !isReservedMark(w);
}
/** Of a cell where a block is known to start: whether that one is free. */
// @ts-ignore: decorator
@inline export function startsFree(w: u32): bool {
  return (w & 0x400) != 0 && !isReservedMark(w);
}
/** Whether the block before is free. */
// @ts-ignore: decorator
@inline export function followsFree(w: u32): bool {
  return (w & 0x80) != 0;
}
// The fifth cell is marked in free blocks of five cells too, but those have the next block's first mark behind it.
// @ts-ignore: decorator
@inline function isReservedMark(w: u32): bool {
  return (w & 0x3000) == 0x1000;
}

/** The first mark behind the start of the block at p: the end of a block in use, the last cell of a free one. */
export function next(p: usize): usize {
  let c = p + 3 * CELL;
  if ((p ^ c) >>> 16) return load<usize>(entryOf(p), ENTRY_OUT);
  let a = header().shadow + ((c >>> 10) << 3);
  let w = load<u64>(a) & (<u64>-1 << (c >>> 4));
  c &= ~1023;
  while (!w) {
    c += 1024;
    if (!(c & 0xFFFF)) return load<usize>(entryOf(p), ENTRY_OUT);
    a += 8;
    w = load<u64>(a);
  }
  return c + (<usize>ctz(w) << 4);
}

/** The start of the free block whose last cell is at m. */
export function startOf(m: usize): usize {
  let a = header().shadow + ((m >>> 10) << 3);
  let w = load<u64>(a) & ~(<u64>-1 << (m >>> 4));
  let c = m & ~1023;
  while (!w) {
    if (!(c & 0xFFFF)) return load<usize>(entryOf(m), ENTRY_IN);
    c -= 1024;
    a -= 8;
    w = load<u64>(a);
  }
  return c + (<usize>(63 - clz(w)) << 4) - 2 * CELL;
}

/** Notes the end of a block in use that reaches its page's end or beyond. */
// @ts-ignore: decorator
@inline export function noteUsed(p: usize, end: usize): void {
  if ((p ^ end) >>> 16) store<usize>(entryOf(p), end, ENTRY_OUT);
}
/** Notes end and start of a free block that reaches its page's end, or beyond. */
// @ts-ignore: decorator
@inline export function noteFree(p: usize, end: usize): void {
  if ((p ^ end) >>> 16) {
    let last = end - CELL;
    store<usize>(entryOf(p), last, ENTRY_OUT);
    if ((p ^ last) >>> 16) store<usize>(entryOf(last), p, ENTRY_IN);
  }
}
