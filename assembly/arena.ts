// The arena: blocks of more than 256 bytes, pages of spans and mappings, all out of one row. Free blocks are joined with
// their neighbours at once and kept in bins by size; the last stretch, [top, end), is in no bin.
//
// Invariants: two free blocks never touch; none touches top.

import { Header, header, roundUp, BLOCK_MIN, CELL, PAGE, SPAN } from './layout'
import {
  around64,
  flipBoth,
  flipMark,
  flipMarks,
  followsFree,
  isFree,
  MARK_BEHIND,
  MARKS_AROUND,
  NEAR_MAX,
  noteUsed,
  stopOf,
  touch,
} from './shadow'
import {
  binOf,
  binOfHead,
  dropNode,
  firstFrom,
  headOf,
  link,
  newNode,
  Node,
  nodeAt,
  nodeFrom,
  nodeIn,
  nodesMayLack,
  nodeUpTo,
  unlink,
} from './node'
import { makeRoom } from './tables'

/** Blocks of a request's own bin that are looked at for the best fit. */
const TRIES: u32 = 4

// Where `find` looks: in the bins, and in top up to the end of its page; in all of top, too; in addition, at all blocks of the request's
// own bin, even if nodes may lack for what is left of one; the same, but it gives a block whole instead of cutting it.
export const IN_PAGE: u32 = 0
export const IN_TOP: u32 = 1
export const EVERYWHERE: u32 = 2
export const WHOLE: u32 = 3

/** Whether n bytes between two blocks are enough for a free block, or none at all: 0 - 1 wraps to the largest number. */
// @ts-ignore: decorator
@inline export function isGap(n: usize): bool {
  return n - 1 >= BLOCK_MIN - 1
}

/** Of the block of n bytes that was just taken at p: how many bytes from its start on may be other than zero. */
export function dirtyIn(p: usize, n: usize): usize {
  let h = header()
  // Only what came from top ends there. What is written behind the last block's end, up to 16 bytes, is not taken for zeros.
  return h.top - p - n < CELL ? min(max(h.fresh, p + CELL) - p, n) : n
}

/** Whether n bytes from top on would reach into the next page. */
// @ts-ignore: decorator
@inline export function crosses(top: usize, n: usize): bool {
  return ((top - 1) ^ (top + n - 1)) >>> 16 != 0
}

/** The node of a free block of at least n bytes, or 0: the smallest of some blocks of the bin for n, which may be too small; else the
 *  first of a bin whose blocks all fit. */
// @ts-ignore: decorator
@inline function bestFit(h: Header, n: usize, tries: u32): u32 {
  let nodes = h.nodes,
    bin = binOf(n),
    head = headOf(bin),
    best: u32 = 0,
    least: usize = -1
  for (let number = nodeIn(nodes, head).next; number != head && tries; tries--) {
    let node = nodeIn(nodes, number),
      size = node.end - node.start
    if (size >= n && size < least) {
      best = number
      least = size
      if (size == n) break
    }
    number = node.next
  }
  return best || firstFrom(bin + 1, n)
}

/** Of the free block at p, takes the first n bytes for use, or all of it if too little would remain, or if it is to be given `whole`.
 *  Returns where they end. Then markOf says which mark is to be flipped, besides those at p. */
// @ts-ignore: decorator
@inline export function takeFront(h: Header, nodes: usize, number: u32, p: usize, n: usize, whole: bool): usize {
  let node = nodeIn(nodes, number),
    end = node.end,
    stop = p + n
  if (end - stop < BLOCK_MIN || whole) {
    stop = end
    dropNode(number)
  } else {
    node.start = stop
    store<u32>(stop, number)
  }
  h.freeBytes -= stop - p
  return stop
}

/** Where a mark changes at the end of what takeFront took: where the rest begins, or where all of it ended. */
// @ts-ignore: decorator
@inline export function markOf(node: Node, stop: usize): usize {
  return node.start ? stop : stop - CELL
}

/** A block of n bytes (a multiple of 16, at least BLOCK_MIN) from the bins or top; 0 if neither has it. */
export function find(n: usize, reach: u32): usize {
  let h = header(),
    lacking = nodesMayLack(0) && !makeRoom(CELL, h.blocks >>> 6)
  // The memory grows first: with it comes room for more nodes.
  if (lacking && reach < EVERYWHERE) return 0
  let nodes = h.nodes,
    best: u32 = h.freeBytes < n ? 0 : bestFit(h, n, reach >= EVERYWHERE ? -1 : TRIES),
    shadow = h.shadow,
    p = h.top,
    stop: usize,
    flipped: usize
  if (best) {
    let node = nodeIn(nodes, best)
    p = node.start
    stop = takeFront(h, nodes, best, p, n, reach == WHOLE)
    flipped = markOf(node, stop)
  } else {
    if (h.end - p < n || lacking || (reach == IN_PAGE && crosses(p, n))) return 0
    h.top = stop = flipped = p + n
  }
  h.blocks++
  flipMarks(shadow, p, MARK_BEHIND)
  flipMark(shadow, flipped)
  if (stop - p > NEAR_MAX) noteUsed(p, stop) // which looks itself: no call for most blocks
  if (((p + CELL) ^ (stop + CELL)) >>> 16) touch(stop) // else p's touch was enough
  return p
}

/** A block from the bins, or 0. With a `skew` of 0: exactly n bytes at a multiple of `alignment`. With one of n, it ends at such a
 *  multiple, and has as many KiB as are free before it, as startFrom says. Looks at up to `tries` blocks, and takes the smallest that
 *  fits in the first bin where one does; if none of these fits, the first of a bin whose blocks all do. */
export function findAligned(n: usize, alignment: usize, tries: u32, skew: usize): usize {
  let bin = binOf(n),
    sure: usize = 0
  while (true) {
    let number = firstFrom(bin, sure)
    if (!number) return 0
    let head = nodeAt(number).prev,
      best: u32 = 0,
      least: usize = -1,
      stop: usize = 0
    do {
      let node = nodeAt(number),
        p = node.start,
        size = node.end - p,
        to = alignedFrom(p + skew, alignment) + n - skew,
        length = to - p
      if (length >= n && length <= size && isGap(size - length) && size < least) {
        best = number
        least = size
        stop = to
      }
      number = node.next
    } while (--tries && number != head)
    if (best) return carve(best, skew ? startFrom(nodeAt(best).start, stop) : stop - n, stop)
    bin = binOfHead(head) + 1
    if (!tries) {
      tries = 1
      sure = n + alignment + 2 * BLOCK_MIN
      bin = max(bin, binOf(sure) + 1)
    }
  }
}

/** Where a page of spans that ends at `stop` starts from p on: as low as a gap before it allows. */
export function startFrom(p: usize, stop: usize): usize {
  let s = max(roundUp(p, SPAN), stop - (PAGE - SPAN))
  return isGap(s - p) ? s : s + SPAN
}

/** The first address from p on that is a multiple of `alignment` and leaves a gap before it. */
export function alignedFrom(p: usize, alignment: usize): usize {
  let a = roundUp(p, alignment)
  while (!isGap(a - p)) a += alignment
  return a
}

/** Of a free block, takes [a, stop) for use. What remains on either side must be as isGap wants it; nodes must not lack (nodesMayLack). */
export function carve(number: u32, a: usize, stop: usize): usize {
  let h = header(),
    node = nodeAt(number),
    p = node.start,
    end = node.end
  dropNode(number)
  h.freeBytes -= end - p
  flipBoth(p + CELL, end - CELL)
  return cut(p, a, stop, end)
}

/** As carve, from top. */
export function carveTop(a: usize, stop: usize): usize {
  let h = header(),
    p = h.top
  h.top = stop
  flipBoth(p + CELL, stop)
  return cut(p, a, stop, stop)
}

/** Of the new block in use [p, end), keeps [a, stop) and frees what remains on both sides. Returns a. */
function cut(p: usize, a: usize, stop: usize, end: usize): usize {
  header().blocks++
  noteUsed(p, end)
  if (a != p) {
    part(p, a, end)
    releaseAt(p)
  }
  if (stop != end) {
    part(a, stop, end)
    releaseAt(stop)
  }
  return a
}

/** Makes two blocks of the block in use [p, end), which part at `a`. */
export function part(p: usize, a: usize, end: usize): void {
  flipBoth(a + CELL, a)
  noteUsed(p, a)
  noteUsed(a, end)
  header().blocks++
}

/** Frees the block in use at p. */
export function releaseAt(p: usize): void {
  release(p, around64(header().shadow, p))
}
/** Frees the block in use at p, with the marks w around, and joins it with its neighbours. */
export function release(p: usize, w: u64): void {
  let h = header(),
    nodes = h.nodes,
    shadow = h.shadow,
    stop = stopOf(p, w),
    start = p,
    end = stop,
    number: u32 = 0
  if (followsFree(w)) {
    number = nodeUpTo(h, p)
    start = nodeIn(nodes, number).start
  }
  if (stop == h.top) {
    h.top = start
    h.fresh = max(h.fresh, stop + CELL)
    h.freeBytes -= p - start
    if (number) dropNode(number)
  } else {
    let linked = number
    if (isFree(around64(shadow, stop))) {
      let after = nodeFrom(h, stop)
      end = nodeIn(nodes, after).end
      if (number) dropNode(after)
      else linked = number = after
    } else if (!number) number = newNode(h)
    let node = nodeIn(nodes, number)
    node.start = start
    node.end = end
    store<u32>(start, number)
    store<u32>(end - 4, number)
    h.freeBytes += stop - p
    if (linked) unlink(nodes, node)
    link(nodes, number, end - start)
    if (end == stop) stop -= CELL
  }
  h.blocks--
  flipMark(shadow, stop)
  flipMarks(shadow, p, start == p ? MARK_BEHIND : MARKS_AROUND)
}

/** Makes the block in use [p, end) end at `stop`, if the rest is enough for a free block and there is a node for it. */
export function shorten(p: usize, stop: usize, end: usize): void {
  if (end - stop >= BLOCK_MIN && !nodesMayLack(0)) {
    part(p, stop, end)
    releaseAt(stop)
  }
}
