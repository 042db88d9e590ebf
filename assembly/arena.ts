// The arena: blocks of more than 256 bytes, pages of spans and mappings, all out of one row. Free blocks are joined with
// their neighbours at once and kept in bins by size; the last stretch, up to the break, is `top` and in no bin.
//
//   free block    0 next u32, 4 previous u32, 8 size u32   in its own memory: hints, checked against the shadow
//
// Invariants: two free blocks never touch; none touches top; a bin's list holds the free blocks of its sizes.

import { header, base, roundUp, BINS, BLOCK_MIN, CELL, STEPS, STEP_BITS } from './layout'
import {
  around,
  FIRST,
  flip,
  followsFree,
  hotNoteUsed,
  hotStopOf,
  isFree,
  noteFree,
  noteUsed,
  SECOND,
  startOf,
  stopOf,
  USED,
} from './shadow'
import { refuse, OVERWRITTEN } from './error'

/** Smaller free blocks are in no bin: no request fits them before they are joined. */
export const LISTED: usize = 256
const MIN_EXPONENT: u32 = 8
const EXPONENTS: u32 = 24
/** Blocks of a request's own bin that are looked at for the best fit. */
export const TRIES: u32 = 4

// ---------------------------------------------------------------------------------------------------------------- bins

/** Whether a block may start at p: not at top, whose mark looks like that of a free one. */
// @ts-ignore: decorator
@inline function inside(p: usize): bool {
  return p - base() < header().top - base()
}
// @ts-ignore: decorator
@inline export function binOf(n: usize): u32 {
  let e = 31 - clz<u32>(<u32>n)
  return ((e - MIN_EXPONENT) << STEP_BITS) + ((<u32>n >>> (e - STEP_BITS)) & ((1 << STEP_BITS) - 1))
}
/** Address of a bin's head, which is linked like a free block. */
// @ts-ignore: decorator
@inline export function headOf(bin: u32): usize {
  return base() + BINS + ((<usize>bin) << 3)
}
/** The bin whose head is at the address. */
// @ts-ignore: decorator
@inline export function binAt(head: usize): u32 {
  return <u32>(head - base() - BINS) >>> 3
}
// @ts-ignore: decorator
@inline function stepsOf(exponent: u32): usize {
  return base() + ((<usize>exponent) << 2)
}

/** Whether a free block starts at p, or p is the bin's head. */
// @ts-ignore: decorator
@inline function isNode(p: usize, head: usize): bool {
  return p == head || (inside(p) && !(p & (CELL - 1)) && isFree(around(p)))
}

/** Puts the free block [p, end) into its bin, and notes where it ends and starts. */
function insert(p: usize, end: usize): void {
  let h = header(),
    n = end - p
  noteFree(p, end)
  h.binned += n
  if (n < LISTED) return
  let bin = binOf(n),
    head = headOf(bin),
    first = load<usize>(head),
    e = bin >>> STEP_BITS
  // If it was overwritten, the bin's blocks are given up: what takes them out will be told.
  if (!isNode(first, head) || load<usize>(first, 4) != head) first = head
  store<usize>(p, first)
  store<usize>(p, head, 4)
  store<usize>(p, n, 8)
  store<usize>(first, p, 4)
  store<usize>(head, p)
  store<u32>(stepsOf(e), load<u32>(stepsOf(e), STEPS) | (1 << (bin & ((1 << STEP_BITS) - 1))), STEPS)
  h.exponents |= 1 << e
}

/** Takes the free block [p, p + n) out of its bin. False, and nothing has changed, if its links don't lead to others and back
 *  to it. */
function unlink(p: usize, n: usize): bool {
  let h = header()
  if (n >= LISTED) {
    let bin = binOf(n),
      head = headOf(bin),
      after = load<usize>(p),
      before = load<usize>(p, 4)
    if (!isNode(after, head) || !isNode(before, head) || load<usize>(after, 4) != p || load<usize>(before) != p)
      return false
    store<usize>(after, before, 4)
    store<usize>(before, after)
    if (load<usize>(head) == head) {
      let e = bin >>> STEP_BITS,
        steps = load<u32>(stepsOf(e), STEPS) & ~(1 << (bin & ((1 << STEP_BITS) - 1)))
      store<u32>(stepsOf(e), steps, STEPS)
      if (!steps) h.exponents &= ~(1 << e)
    }
  }
  h.binned -= n
  return true
}
/** As unlink, and refused if that fails. */
// @ts-ignore: decorator
@inline function mustUnlink(p: usize, n: usize): void {
  if (!unlink(p, n)) refuse(OVERWRITTEN, p)
}

/** The head of the first bin from `bin` on that holds a block, or 0. */
export function headFrom(bin: u32): usize {
  let e = bin >>> STEP_BITS
  if (e >= EXPONENTS) return 0
  let steps = load<u32>(stepsOf(e), STEPS) & (-1 << (bin & ((1 << STEP_BITS) - 1)))
  if (!steps) {
    let m = header().exponents & (-2 << e)
    if (!m) return 0
    e = ctz(m)
    steps = load<u32>(stepsOf(e), STEPS)
  }
  return headOf((e << STEP_BITS) + ctz(steps))
}

// -------------------------------------------------------------------------------------------------------------- blocks

/** Whether a gap of n bytes between two blocks can be a free block, or is none at all. */
// @ts-ignore: decorator
@inline export function isGap(n: usize): bool {
  return !n || n >= BLOCK_MIN
}

/** The marks around p, an address that was read from a free block's memory. Refused if no free block starts there. */
// @ts-ignore: decorator
@inline function aroundFree(p: usize): u64 {
  let w: u64 = 0
  if (inside(p) && !(p & (CELL - 1))) w = around(p)
  if (!isFree(w)) refuse(OVERWRITTEN, p)
  return w
}
/** The end of the free block at p, an address as for aroundFree. */
export function endOfFree(p: usize): usize {
  return stopOf(p, aroundFree(p)) + CELL
}

/** Takes n bytes from the start of the free block at p for use, or all of it if too little would remain. */
// @ts-ignore: decorator
@inline function take(p: usize, n: usize): usize {
  let end = hotStopOf(p, aroundFree(p)) + CELL,
    stop = p + n,
    rest = end - stop
  if (end < stop) refuse(OVERWRITTEN, p)
  mustUnlink(p, end - p)
  header().zeroFrom = -1
  flip(p, SECOND)
  if (rest < BLOCK_MIN) {
    stop = end
    flip(end - CELL, FIRST)
  } else flip(stop, FIRST)
  hotNoteUsed(p, stop)
  if (stop != end) insert(stop, end)
  return p
}

/** Makes the block at p, which begins or ends at top, n bytes long, with what is too little for a block behind them. */
export function endInTop(p: usize, n: usize): void {
  let h = header(),
    stop = p + n
  if (!isGap(h.end - stop)) stop = h.end
  flip(stop, FIRST)
  h.top = stop
  h.fresh = max(h.fresh, stop)
  hotNoteUsed(p, stop)
}
/** Takes n bytes from top for use, with what is too little for a block behind them. */
function takeTop(n: usize): usize {
  let h = header(),
    p = h.top
  flip(p, SECOND)
  h.zeroFrom = h.fresh
  endInTop(p, n)
  return p
}

/** A block of n bytes (a multiple of 16, at least BLOCK_MIN) from the bins or top; 0 if neither has it. Looks at `tries`
 *  blocks of the bin for n, which may be too small, and then at the first of a bin that fits for sure. */
export function find(n: usize, tries: u32): usize {
  let bin: u32 = n < LISTED ? 0 : binOf(n),
    head = headOf(bin)
  let best: usize = 0,
    least: usize = -1
  for (let p = load<usize>(head); p != head && tries; tries--) {
    if (!inside(p)) refuse(OVERWRITTEN, p)
    let size: usize = load<u32>(p, 8)
    if (size >= n && size < least) {
      best = p
      least = size
      if (size == n) break
    }
    p = load<usize>(p)
  }
  if (!best) {
    let other = headFrom(bin + 1)
    if (!other) {
      let h = header()
      return h.end - h.top >= n ? takeTop(n) : 0
    }
    best = load<usize>(other)
  }
  return take(best, n)
}

/** A block of exactly n bytes at a multiple of `alignment` from the bins, or 0. Looks at `tries` blocks, and takes the
 *  smallest that fits of the first bin that has one. */
export function findAligned(n: usize, alignment: usize, tries: u32): usize {
  for (let head = headFrom(n < LISTED ? 0 : binOf(n)); head && tries; head = headFrom(binAt(head) + 1)) {
    let best: usize = 0,
      bestEnd: usize = -1
    for (let p = load<usize>(head); p != head && tries; p = load<usize>(p), tries--) {
      let end = endOfFree(p),
        a = alignedFrom(p, alignment),
        stop = a + n
      if (a >= p && a < end && n <= end - a && isGap(end - stop) && end - p < bestEnd - best) {
        best = p
        bestEnd = end
      }
    }
    if (best) {
      let a = alignedFrom(best, alignment)
      return carve(best, bestEnd, a, a + n)
    }
  }
  return 0
}

/** The first address from p on that is a multiple of `alignment` and leaves a gap before it. */
export function alignedFrom(p: usize, alignment: usize): usize {
  let a = roundUp(p, alignment)
  while (!isGap(a - p)) a += alignment
  return a
}

/** Of the free block [p, end), takes [a, stop) for use; what remains on both sides must be gaps. */
export function carve(p: usize, end: usize, a: usize, stop: usize): usize {
  mustUnlink(p, end - p)
  header().zeroFrom = -1
  flip(p, SECOND)
  flip(end - CELL, FIRST)
  noteUsed(p, end)
  if (a != p) split(p, a, end, p)
  if (stop != end) split(a, stop, end, stop)
  return a
}

/** As carve, from top, with what is too little for a block behind `stop`. */
export function carveTop(a: usize, stop: usize): usize {
  let p = takeTop(stop - header().top)
  if (a != p) split(p, a, header().top, p)
  return a
}

/** Makes two blocks of the block in use [p, end), which part at `a`, and frees one of them. */
export function split(p: usize, a: usize, end: usize, freed: usize): void {
  flip(a, USED)
  noteUsed(p, a)
  noteUsed(a, end)
  release(freed, around(freed))
}

/** Frees the block in use at p, with the marks w around, and joins it with its neighbours. */
export function release(p: usize, w: u64): void {
  let h = header(),
    stop = hotStopOf(p, w),
    start = p,
    end = stop,
    stays = false
  if (stop != h.top) {
    let v = around(stop)
    if (isFree(v)) end = stopOf(stop, v) + CELL
  }
  if (followsFree(w)) {
    start = startOf(p - CELL)
    // What does not leave its bin keeps its links.
    stays = stop != h.top && binOf(p - start) == binOf(end - start)
  }
  if (end != stop) mustUnlink(stop, end - stop)
  if (start != p) {
    if (!stays && !unlink(start, p - start)) {
      // As if nothing had been asked.
      if (end != stop) insert(stop, end)
      refuse(OVERWRITTEN, start)
    }
    flip(p - CELL, USED)
  }
  flip(p, SECOND)
  if (stop == h.top) h.top = start
  else {
    if (end == stop) stop -= CELL
    if (stays) {
      h.binned += end - p
      store<usize>(start, end - start, 8)
      noteFree(start, end)
    } else insert(start, end)
  }
  flip(stop, FIRST)
}

/** Makes the block in use [p, end), which does not end at top, n bytes long where it is. False if there is no room behind. */
export function resizeInRow(p: usize, end: usize, n: usize): bool {
  let stop = p + n
  if (stop > end) {
    let v = around(end)
    if (!isFree(v)) return false
    let behind = stopOf(end, v) + CELL
    if (behind < stop) return false
    mustUnlink(end, behind - end)
    flip(end, FIRST)
    flip(behind - CELL, FIRST)
    end = behind
    noteUsed(p, end)
  }
  if (end - stop >= BLOCK_MIN) split(p, stop, end, stop)
  return true
}

/** Makes the bins, all empty. */
export function beginHeads(): void {
  for (let bin: u32 = 0; bin < EXPONENTS << STEP_BITS; bin++) {
    let head = headOf(bin)
    store<usize>(head, head)
    store<usize>(head, head, 4)
  }
}
