// Nodes of the arena's free blocks, and the bins that list them by size. All that is believed of a free block stands here,
// out of line: what a program writes to a block after its free changes no more than a hint.
//
// Invariants: there are at least half as many nodes as blocks; each free block has one, whose number is in the block's first and
// last four bytes; it is in one bin's list, a ring with the bin's head, and in no bin of smaller sizes than the block's; a bin that is
// not empty has its bit set.
//
// Two things wait until a search comes by, because most have changed again before: a bin that has become empty keeps its bit, and a
// block whose front was taken stays in its bin, though that may be of larger sizes now.

import { base, BINS_ARENA, BINS_SET, BINS_SET_END, Header, header, PAGE, STEP_BITS } from './layout'
import { hasBlocks } from './shadow'
import { CORRUPT, refuse } from './error'

const MIN_EXPONENT: u32 = 6
/** The bins' heads { next, prev } stand before the nodes, behind 16 bytes that take what an overflow of the block before the
 *  nodes writes. */
const BINS: u32 = 16
export const BINS_SIZE: u32 = BINS + (BINS_ARENA << 3)
export const NODE_SIZE: u32 = 16

/** A free block's node, or of a bin's head the links. Its number is how many bytes it is behind `header.nodes`. */
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
/** As nodeAt, where header.nodes is known. */
// @ts-ignore: decorator
@inline export function nodeIn(nodes: usize, number: u32): Node {
  return changetype<Node>(nodes + number)
}
/** Whether a number that was read from a block's memory may be a node's. */
// @ts-ignore: decorator
@inline function isNumber(h: Header, number: u32): bool {
  return number - BINS_SIZE < h.nodesUsed - BINS_SIZE
}
/** The node of the free block that starts at p. */
// @ts-ignore: decorator
@inline export function nodeFrom(h: Header, p: usize): u32 {
  let number = load<u32>(p) & -NODE_SIZE
  return isNumber(h, number) && nodeIn(h.nodes, number).start == p ? number : nodeWith(p, offsetof<Node>('start'))
}
/** The node of the free block that ends at p. */
// @ts-ignore: decorator
@inline export function nodeUpTo(h: Header, p: usize): u32 {
  let number = load<u32>(p - 4) & -NODE_SIZE
  return isNumber(h, number) && nodeIn(h.nodes, number).end == p ? number : nodeWith(p, offsetof<Node>('end'))
}
/** The same for a block whose hint was overwritten: looks at all nodes for the one that has p at this offset. Refused if none has: then
 *  the heap's own tables were overwritten. */
function nodeWith(p: usize, offset: usize): u32 {
  let h = header(),
    number: u32 = BINS_SIZE
  while (load<usize>(h.nodes + number + offset) != p) {
    number += NODE_SIZE
    if (number >= h.nodesUsed) refuse(CORRUPT, p) // which does not return
  }
  return number
}

// @ts-ignore: decorator
@inline export function binOf(n: usize): u32 {
  let e = 31 - clz<u32>(<u32>n)
  return ((e - MIN_EXPONENT - 1) << STEP_BITS) + (<u32>n >>> (e - STEP_BITS))
}
/** Address of the word that has the bin's bit, which is that of the bin's number modulo 64. */
// @ts-ignore: decorator
@inline export function wordOf(bin: u32): usize {
  return base() + BINS_SET + ((<usize>bin >>> 6) << 3)
}
/** The number of a bin's head, of which only the links exist. */
// @ts-ignore: decorator
@inline export function headOf(bin: u32): u32 {
  return BINS + (bin << 3) - offsetof<Node>('next')
}
/** The bin of a head. */
// @ts-ignore: decorator
@inline export function binOfHead(head: u32): u32 {
  return (head - headOf(0)) >>> 3
}
/** The first node in the first bin from `bin` on that has one, or 0. A block there that has less than n bytes, because its front was
 *  taken, goes to its own bin, and the search goes on: at most once for each front taken. (All that belongs in these bins has n.) */
export function firstFrom(bin: u32, n: usize): u32 {
  let h = header(),
    nodes = h.nodes,
    at = wordOf(bin),
    some = load<u64>(at) & ((<u64>-1) << bin)
  while (true) {
    while (!some) {
      at += 8
      if (at == base() + BINS_SET_END) return 0
      some = load<u64>(at)
    }
    let head = headOf(((<u32>(at - wordOf(0))) << 3) + <u32>ctz(some)),
      number = nodeIn(nodes, head).next
    if (number == head) {
      store<u64>(at, load<u64>(at) ^ (some & -some))
      some &= some - 1
    } else {
      let node = nodeIn(nodes, number),
        size = node.end - node.start
      if (size >= n) return number
      unlink(nodes, node)
      link(nodes, number, size)
    }
  }
}

/** Puts a node whose block has n bytes into its bin. `nodes` is h.nodes. */
// @ts-ignore: decorator
@inline export function link(nodes: usize, number: u32, n: usize): void {
  let node = nodeIn(nodes, number),
    bin = binOf(n),
    head = headOf(bin),
    next = nodeIn(nodes, head).next
  node.next = next
  node.prev = head
  nodeIn(nodes, next).prev = number
  nodeIn(nodes, head).next = number
  let at = wordOf(bin)
  store<u64>(at, load<u64>(at) | ((<u64>1) << bin))
}
/** Takes a node out of its bin. `nodes` is h.nodes. */
// @ts-ignore: decorator
@inline export function unlink(nodes: usize, node: Node): void {
  let next = node.next,
    prev = node.prev
  nodeIn(nodes, next).prev = prev
  nodeIn(nodes, prev).next = next
}
/** Bytes, with the bins' heads, of the nodes that so many blocks may need: one for every second block, since each free one is followed
 *  by one in use; and for what may be cut out of one of them, and remains. */
// @ts-ignore: decorator
@inline export function nodesFor(blocks: u32): u32 {
  return BINS_SIZE + ((blocks + 3) << 3)
}
/** The number of blocks that nodes should be enough for, if there are so many more: a quarter for those that they may be cut into. */
// @ts-ignore: decorator
@inline export function blocksFor(more: u32): u32 {
  let blocks = header().blocks
  return blocks + (blocks >>> 2) + more
}
/** Whether nodes may lack for so many blocks more. */
// @ts-ignore: decorator
@inline export function nodesMayLack(more: u32): bool {
  return header().blocks + more > header().blocksMax
}
/** The node of the free block that holds the whole page at p, or 0. Tries the hint at p first, because a block behind a mapping begins
 *  there; then looks at all nodes. */
export function nodeAround(p: usize): u32 {
  if (hasBlocks(p)) return 0
  let h = header(),
    number = load<u32>(p) & -NODE_SIZE,
    next = BINS_SIZE
  if (!isNumber(h, number)) number = next
  while (number < h.nodesUsed) {
    let node = nodeAt(number)
    if (node.start <= p && node.end >= p + PAGE) return number
    number = next
    next += NODE_SIZE
  }
  return 0
}
/** Takes a node for a new free block, and counts that in header.blocks. There always is one. */
// @ts-ignore: decorator
@inline export function newNode(h: Header): u32 {
  h.blocks++
  let number = h.nodeFree
  if (number) h.nodeFree = nodeIn(h.nodes, number).next
  else {
    number = h.nodesUsed
    h.nodesUsed = number + NODE_SIZE
  }
  return number
}
/** Gives back a free block's node, and no longer counts the block in header.blocks. */
export function dropNode(number: u32): void {
  let h = header(),
    node = nodeAt(number)
  h.blocks--
  unlink(h.nodes, node)
  store<u64>(changetype<usize>(node), 0) // its start and end
  node.next = h.nodeFree
  h.nodeFree = number
}

/** Makes the bins, all empty. */
export function beginNodes(): void {
  let h = header()
  h.nodesUsed = BINS_SIZE
  for (let head = headOf(0); head < headOf(BINS_ARENA); head += 8) {
    let node = nodeAt(head)
    node.next = head
    node.prev = head
  }
}
