// Nodes of the arena's free blocks, and the bins that list them by size. All that is believed of a free block stands here,
// out of line: what a program writes to a block after its free changes no more than a hint.
//
// Invariants: each free block has a node, whose number is in the block's first and last four bytes; a bin's list holds the
// nodes of the free blocks of its sizes, from LISTED bytes on.

import { base, BINS, header, STEP_BITS, STEPS } from './layout'
import { OVERWRITTEN, refuse } from './error'

/** Smaller free blocks are in no bin: no request fits them before they are joined. */
export const LISTED: usize = 256
const MIN_EXPONENT: u32 = 8
const EXPONENTS: u32 = 24
const BINS_ARENA: u32 = EXPONENTS << STEP_BITS
export const NODE_SIZE: u32 = 16

/** A free block's node. */
// @ts-ignore: decorator
@unmanaged
export class Node {
  start: usize
  end: usize
  next: u32
  prev: u32
}

// @ts-ignore: decorator
@inline export function nodeAt(number: u32): Node {
  return changetype<Node>(header().nodes + number)
}
/** The node of the free block that starts at p. Refused if the block was overwritten. */
export function nodeFrom(p: usize): u32 {
  let number = load<u32>(p) & -NODE_SIZE
  if (number >= header().nodesUsed || nodeAt(number).start != p) refuse(OVERWRITTEN, p)
  return number
}
/** The node of the free block that ends at p. Refused if the block was overwritten. */
export function nodeUpTo(p: usize): u32 {
  let number = load<u32>(p - 4) & -NODE_SIZE
  if (number >= header().nodesUsed || nodeAt(number).end != p) {
    for (number = 0; nodeAt(number).end != p; number += NODE_SIZE);
    refuse(OVERWRITTEN, nodeAt(number).start)
  }
  return number
}
// @ts-ignore: decorator
@inline export function binOf(n: usize): u32 {
  let e = 31 - clz<u32>(<u32>n)
  return ((e - MIN_EXPONENT) << STEP_BITS) + ((<u32>n >>> (e - STEP_BITS)) & ((1 << STEP_BITS) - 1))
}
/** The bin for a request of n bytes, whose blocks may be too small for it. */
// @ts-ignore: decorator
@inline export function binFor(n: usize): u32 {
  return n < LISTED ? 0 : binOf(n)
}
// @ts-ignore: decorator
@inline function headOf(bin: u32): usize {
  return base() + ((<usize>bin) << 2)
}
/** The first node of a bin, or 0. */
// @ts-ignore: decorator
@inline export function firstOf(bin: u32): u32 {
  return load<u32>(headOf(bin), BINS)
}
// @ts-ignore: decorator
@inline function stepsOf(exponent: u32): usize {
  return base() + ((<usize>exponent) << 2)
}

/** The first node of the first bin from `bin` on that has one, or 0. */
export function firstFrom(bin: u32): u32 {
  if (bin >= BINS_ARENA) return 0
  let e = bin >>> STEP_BITS,
    steps = load<u32>(stepsOf(e), STEPS) & (-1 << (bin & ((1 << STEP_BITS) - 1)))
  if (!steps) {
    let m = header().exponents & (-2 << e)
    if (!m) return 0
    e = ctz(m)
    steps = load<u32>(stepsOf(e), STEPS)
  }
  return firstOf((e << STEP_BITS) + ctz(steps))
}

/** Puts a node whose block has n bytes into its bin. */
function link(number: u32, n: usize): void {
  if (n < LISTED) return
  let bin = binOf(n),
    node = nodeAt(number),
    next = firstOf(bin)
  node.next = next
  node.prev = 0
  store<u32>(headOf(bin), number, BINS)
  if (next) nodeAt(next).prev = number
  else {
    let e = bin >>> STEP_BITS
    store<u32>(stepsOf(e), load<u32>(stepsOf(e), STEPS) | (1 << (bin & ((1 << STEP_BITS) - 1))), STEPS)
    header().exponents |= 1 << e
  }
}
/** Takes a node whose block has n bytes out of its bin. */
function unlink(number: u32, n: usize): void {
  if (n < LISTED) return
  let node = nodeAt(number),
    next = node.next,
    prev = node.prev
  if (next) nodeAt(next).prev = prev
  if (prev) {
    nodeAt(prev).next = next
    return
  }
  let bin = binOf(n)
  store<u32>(headOf(bin), next, BINS)
  if (next) return
  let e = bin >>> STEP_BITS,
    steps = load<u32>(stepsOf(e), STEPS) & ~(1 << (bin & ((1 << STEP_BITS) - 1)))
  store<u32>(stepsOf(e), steps, STEPS)
  if (!steps) header().exponents &= ~(1 << e)
}

/** Makes a node for the free block [p, end). False if there is none left. */
export function addNode(p: usize, end: usize): bool {
  let h = header(),
    number = h.nodeFree
  if (number) h.nodeFree = nodeAt(number).next
  else {
    number = h.nodesUsed
    if (number == h.nodesSize) return false
    h.nodesUsed = number + NODE_SIZE
  }
  let node = nodeAt(number)
  node.start = p
  node.end = end
  store<u32>(p, number)
  store<u32>(end - 4, number)
  link(number, end - p)
  return true
}
/** Removes a free block's node. */
export function dropNode(number: u32): void {
  let h = header(),
    node = nodeAt(number)
  unlink(number, node.end - node.start)
  node.start = 0
  node.end = 0
  node.next = h.nodeFree
  h.nodeFree = number
}
/** Makes a free block reach from p to `end`. Where that is new, its number is still to be stored. */
export function moveNode(number: u32, p: usize, end: usize): void {
  let node = nodeAt(number),
    was = node.end - node.start,
    n = end - p
  node.start = p
  node.end = end
  if (was >= LISTED && n >= LISTED && binOf(was) == binOf(n)) return
  unlink(number, was)
  link(number, n)
}

/** Whether a free block more could be without a node soon. */
// @ts-ignore: decorator
@inline export function areNodesShort(): bool {
  let h = header()
  return !h.nodeFree && h.nodesUsed + 4 * NODE_SIZE > h.nodesSize
}
