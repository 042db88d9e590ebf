// The arena: blocks of more than 256 bytes, pages of spans and mappings, all out of one row. Free blocks are joined with
// their neighbours at once and kept in bins by size; the last stretch, up to the break, is `top` and in no bin.
//
//   free block    0 next u32, 4 previous u32, 8 size u32   in its own memory: hints, checked against the shadow
//
// Invariants: two free blocks never touch; none touches top; a bin's list holds the free blocks of its sizes.

import {
  header,
  base,
  roundUp,
  BINS,
  BLOCK_MIN,
  BREAK_MAX,
  CELL,
  HEADER_SIZE,
  NO_SPANS,
  STEPS,
  STEP_BITS,
} from './layout'
import {
  around,
  FIRST,
  flip,
  followsFree,
  isFree,
  noteFree,
  noteUsed,
  RESERVED,
  SECOND,
  startOf,
  stopOf,
  USED,
  USED_TO_RESERVED,
} from './shadow'
import { refuse, OVERWRITTEN } from './error'
import { advance } from './break'

/** Smaller free blocks are in no bin: no request fits them before they are joined. */
export const LISTED: usize = 256
const MIN_EXPONENT: u32 = 8
const EXPONENTS: u32 = 24
/** Pages that the first tables cover. */
const FIRST_CAPACITY: u32 = 4
/** Blocks of a request's own bin that are looked at for the best fit. */
export const TRIES: u32 = 4

// ---------------------------------------------------------------------------------------------------------------- bins

// @ts-ignore: decorator
@inline function inside(p: usize): bool {
  return p - base() < header().extent
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
  store<usize>(p, first)
  store<usize>(p, head, 4)
  store<usize>(p, n, 8)
  store<usize>(first, p, 4)
  store<usize>(head, p)
  store<u32>(stepsOf(e), load<u32>(stepsOf(e), STEPS) | (1 << (bin & ((1 << STEP_BITS) - 1))), STEPS)
  h.exponents |= 1 << e
}

/** Whether a free block starts at p, or p is the bin's head. */
function isNode(p: usize, head: usize): bool {
  return p == head || (inside(p) && !(p & (CELL - 1)) && isFree(around(p)))
}

/** Refuses the free block [p, p + n) if its links don't lead to others and back to it. */
function check(p: usize, n: usize): void {
  if (n < LISTED) return
  let after = load<usize>(p),
    before = load<usize>(p, 4),
    head = headOf(binOf(n))
  if (isNode(after, head) && isNode(before, head) && load<usize>(after, 4) == p && load<usize>(before) == p) return
  refuse(OVERWRITTEN, p)
}

/** Takes the free block [p, p + n), which was checked, out of its bin. */
function unlink(p: usize, n: usize): void {
  header().binned -= n
  if (n < LISTED) return
  let after = load<usize>(p),
    before = load<usize>(p, 4)
  store<usize>(after, before, 4)
  store<usize>(before, after)
  if (after != before) return
  // Only the bin's head is left.
  let bin = binAt(after),
    e = bin >>> STEP_BITS
  let steps = load<u32>(stepsOf(e), STEPS) & ~(1 << (bin & ((1 << STEP_BITS) - 1)))
  store<u32>(stepsOf(e), steps, STEPS)
  if (!steps) header().exponents &= ~(1 << e)
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

/** The end of the free block at p, an address that was read from a free block's memory. Refused if there is none. */
export function endOfFree(p: usize): usize {
  let w: u64 = 0
  if (inside(p) && !(p & (CELL - 1))) w = around(p)
  if (!isFree(w)) refuse(OVERWRITTEN, p)
  return stopOf(p, w) + CELL
}

/** Takes n bytes from the start of the free block at p for use, or all of it if too little would remain. */
function take(p: usize, n: usize): usize {
  let end = endOfFree(p),
    stop = p + n,
    rest = end - stop
  if (end < stop) refuse(OVERWRITTEN, p)
  check(p, end - p)
  unlink(p, end - p)
  header().zeroFrom = -1
  flip(p, SECOND)
  if (rest < BLOCK_MIN) {
    flip(end - CELL, FIRST)
    noteUsed(p, end)
  } else {
    flip(stop, FIRST)
    noteUsed(p, stop)
    insert(stop, end)
  }
  return p
}

/** Takes n bytes from top for use, with what is too little for a block behind them. */
function takeTop(n: usize): usize {
  let h = header(),
    p = h.top,
    stop = p + n
  if (!isGap(h.end - stop)) stop = h.end
  flip(p, SECOND)
  flip(stop, FIRST)
  h.top = stop
  h.zeroFrom = h.fresh
  h.fresh = max(h.fresh, stop)
  noteUsed(p, stop)
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

/** A block of exactly n bytes at a multiple of `alignment` from the bins, of which it looks at `tries` blocks, or 0. */
export function findAligned(n: usize, alignment: usize, tries: u32): usize {
  for (let head = headFrom(n < LISTED ? 0 : binOf(n)); head; head = headFrom(binAt(head) + 1)) {
    for (let p = load<usize>(head); p != head; p = load<usize>(p)) {
      let end = endOfFree(p),
        a = alignedFrom(p, alignment),
        stop = a + n
      if (a >= p && a < end && n <= end - a && isGap(end - stop)) return carve(p, end, a, stop)
      if (!--tries) return 0
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
  take(p, end - p)
  if (a != p) split(p, a, end)
  if (stop != end) releasePart(a, stop, end)
  return a
}

/** As carve, from top, with what is too little for a block behind `stop`. */
export function carveTop(a: usize, stop: usize): usize {
  let p = takeTop(stop - header().top)
  if (a != p) split(p, a, header().top)
  return a
}

/** Frees the front of the block in use [p, end), which begins at `a` then. */
function split(p: usize, a: usize, end: usize): void {
  flip(a, USED)
  noteUsed(a, end)
  noteUsed(p, a)
  release(p, around(p))
}

/** Frees the block in use at p, with the marks w around, and joins it with its neighbours. */
export function release(p: usize, w: u64): void {
  let h = header(),
    stop = stopOf(p, w),
    start = p,
    end = stop
  // Both neighbours are checked before anything changes.
  if (stop != h.top) {
    let v = around(stop)
    if (isFree(v)) {
      end = stopOf(stop, v) + CELL
      check(stop, end - stop)
    }
  }
  if (followsFree(w)) {
    start = startOf(p - CELL)
    check(start, p - start)
    unlink(start, p - start)
    flip(p - CELL, USED)
  }
  flip(p, SECOND)
  if (stop == h.top) h.top = start
  else {
    if (end != stop) unlink(stop, end - stop)
    else stop -= CELL
    insert(start, end)
  }
  flip(stop, FIRST)
}

/** Frees [p, end), the rear of the block in use that begins at `start`. */
export function releasePart(start: usize, p: usize, end: usize): void {
  noteUsed(start, p)
  flip(p, USED)
  noteUsed(p, end)
  release(p, around(p))
}

/** Makes the block in use at p n bytes long where it is. False if there is no room behind it. */
export function resize(p: usize, n: usize): bool {
  let h = header(),
    end = stopOf(p, around(p)),
    stop = p + n
  if (stop > end) {
    if (end == h.top && h.end - end < stop - end && !extend(max(stop - end, BLOCK_MIN))) return false
    if (end == h.top) {
      flip(end, FIRST)
      flip(p, SECOND)
      h.top = p
      takeTop(n)
      return true
    }
    let v = around(end),
      behind = stopOf(end, v) + CELL
    if (!isFree(v) || behind < stop) return false
    check(end, behind - end)
    unlink(end, behind - end)
    flip(end, FIRST)
    flip(behind - CELL, FIRST)
    end = behind
    noteUsed(p, end)
  }
  if (end - stop >= BLOCK_MIN) releasePart(p, stop, end)
  return true
}

// -------------------------------------------------------------------------------------------------------------- growth

/** Bytes of the tables for `pages` pages: the shadow between two words of zeros, the links, the entries, the map. */
function tablesSize(pages: u32): usize {
  return roundUp(16 + <usize>pages * (512 + 256 + 16 + 1), CELL)
}
/** Number of the heap's first page. */
// @ts-ignore: decorator
@inline function firstPage(): u32 {
  return <u32>(base() >>> 16)
}

/** Begins tables for `pages` pages at `a`, all zero but the map, and copies what the old ones have. */
function setTables(a: usize, pages: u32): void {
  let h = header(),
    first = <usize>firstPage()
  let bytes = tablesSize(pages),
    old = h.tables ? h.capacity - <u32>first : 0
  if (a < h.fresh) memory.fill(a, 0, min(bytes, h.fresh - a))
  let n = <usize>pages,
    shadow = a + 8 - (first << 9),
    links = a + 16 + n * 512 - (first << 8)
  let entries = a + 16 + n * 768 - (first << 4),
    map = a + 16 + n * 784 - first
  memory.fill(map + first, <u8>NO_SPANS, pages)
  if (old) {
    memory.copy(shadow + (first << 9), h.shadow + (first << 9), (<usize>old) << 9)
    memory.copy(links + (first << 8), h.links + (first << 8), (<usize>old) << 8)
    memory.copy(entries + (first << 4), h.entries + (first << 4), (<usize>old) << 4)
    memory.copy(map + first, h.map + first, old)
  }
  h.tables = a
  h.capacity = <u32>first + pages
  h.shadow = shadow
  h.links = links
  h.entries = entries
  h.map = map
}

/** Makes the arena hold a free stretch of at least n bytes (a multiple of 16, at least BLOCK_MIN) where top is, which may
 *  be elsewhere then: in top, or where new tables had to follow it, in a bin. False if the memory may not grow so far. */
export function extend(n: usize): bool {
  let h = header()
  while (true) {
    let size = h.end - base(),
      spare = size < 0x4000000 ? size >>> 6 : size >>> 3
    let need = n - (h.end - h.top)
    spare = spare > need ? spare - need : 0
    let start = advance(need + tablesFor(need + spare), spare)
    if (!start) {
      start = advance(need + tablesFor(need), 0)
      if (!start) return false
    }
    if (absorb(start, h.brk, n)) return true
  }
}

/** Bytes of new tables that the arena needs before it can reach `bytes` beyond the break, or 0. */
function tablesFor(bytes: usize): usize {
  let h = header(),
    last = <u32>((h.brk + min(bytes, BREAK_MAX - h.brk)) >>> 16)
  last += (last >>> 5) + 2 // and what the tables take themselves, with some to spare
  return last < h.capacity ? 0 : tablesSize(grownCapacity(last))
}
function grownCapacity(last: u32): u32 {
  let pages = last + 1 - firstPage()
  return min(pages + (pages >>> 1) + 2, 0x10000 - firstPage())
}

/** Gives the stretch [start, end) to the arena: the continuation of top, or a new top behind a gap. Whether a stretch of n
 *  bytes is free there now. */
function absorb(start: usize, end: usize, n: usize): bool {
  let h = header(),
    a = h.top,
    old = h.tables,
    last = <u32>(end >>> 16),
    tables: usize = 0,
    wanted = n
  if (start != h.end) a = max(roundUp(start, CELL), h.end + 6 * CELL)
  if (last >= h.capacity) {
    tables = tablesSize(grownCapacity(last))
    // Too short for its own tables: the stretch becomes part of the next gap.
    if (end - a < tables + n) {
      n = end - a - tables
      if (<isize>n < <isize>BLOCK_MIN) return false
    }
    setTables(a + n, grownCapacity(last))
  }
  h.peak = max(h.peak, h.top - base() - h.binned)
  if (start != h.end) {
    let gap = h.end
    flip(gap, gap == h.top ? RESERVED ^ FIRST : RESERVED)
    flip(a, FIRST)
    if (h.top != gap) releaseTop(gap, a)
    h.top = a
    h.fixed += a - gap
  }
  h.end = end
  h.extent = end - base()
  h.fresh = max(h.fresh, a)
  if (tables) {
    let at = a + n,
      top = isGap(end - at - tables) ? at + tables : end
    h.fixed += top - at - (stopOf(old, 0) - old)
    flip(at, RESERVED)
    flip(top, FIRST)
    noteUsed(at, top)
    h.fresh = max(h.fresh, top)
    releaseTop(at, top)
    flip(old, USED_TO_RESERVED)
    release(old, around(old))
    return n == wanted
  }
  return end - a >= n
}

/** Makes top, up to `end`, whose cell is marked, a free block in a bin, and moves top to `to`. */
function releaseTop(end: usize, to: usize): void {
  let h = header(),
    p = h.top
  h.top = to
  flip(p, SECOND)
  noteUsed(p, end)
  release(p, around(p))
}

/** Begins the arena: its tables stand behind the header, top behind them up to `end`, a multiple of 64 KiB. */
export function begin(end: usize): void {
  let h = header(),
    tables = base() + HEADER_SIZE
  h.end = end
  h.extent = end - base()
  setTables(tables, FIRST_CAPACITY)
  let top = tables + tablesSize(FIRST_CAPACITY)
  if (!isGap(end - top)) top = end
  flip(tables, RESERVED)
  noteUsed(tables, top)
  flip(top, FIRST)
  h.top = top
  h.fixed = top - base()
  for (let bin: u32 = 0; bin < EXPONENTS << STEP_BITS; bin++) {
    let head = headOf(bin)
    store<usize>(head, head)
    store<usize>(head, head, 4)
  }
}
/** Bytes that the header and the first tables take. */
export function beginSize(): usize {
  return HEADER_SIZE + tablesSize(FIRST_CAPACITY)
}
