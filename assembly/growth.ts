// Growth: the arena's end, with the tables behind it, moves up with the break.

import { base, BLOCK_MIN, BREAK_MAX, CELL, header, roundUp } from './layout'
import { around32, flipBoth, flipReserved, isFree, noteUsed } from './shadow'
import { carveTop, findAligned, isGap, markOf, releaseAt, shorten, takeFront } from './arena'
import { beginTables, borderFor, endFor, firstBlock, fitNodes, makeRoom, setBorder } from './tables'
import { nodeFrom, nodeIn, nodesFor, nodesMayLack } from './node'
import { advance, memoryEnd } from './break'

/** Makes room in top for n bytes (a multiple of 16, at least BLOCK_MIN), and for the nodes of so many blocks more: out of what the heap
 *  has, or else of new memory. False if the memory may not grow so far; then all is as it was, unless others have grown it. True also if
 *  top has only moved, past others' memory, and may still be too short: so callers look again. */
export function extend(n: usize, more: u32): bool {
  let h = header(),
    top = h.top,
    size = h.end - base(),
    spare = size >>> (size >>> 26 ? 5 : 6)
  while (!makeRoom(n, more)) {
    // Where the new stretch begins.
    let brk = h.brk == h.limit ? memoryEnd() : h.brk,
      from = brk == h.border ? h.top : brk + BLOCK_MIN,
      was = h.blocksMax,
      start: usize = 0
    fitNodes(more)
    if (n <= BREAK_MAX - from) {
      let border = borderFor(from + n),
        need = border - brk
      if (border) start = advance(need, max(need, spare))
    }
    if (!start || !absorb(start, h.brk)) {
      h.blocksMax = was
      if (!start) return h.top != top
    } else if (h.end - h.top >= n) {
      h.peak = max(h.peak, h.top - base() - h.freeBytes + n)
      break
    }
  }
  return true
}

/** Gives the stretch [start, end) behind the tables to the arena, whose tables go to its end: the continuation of top, or a
 *  new top behind a gap. False if it is too short for its own tables: then it becomes part of the next gap. */
function absorb(start: usize, end: usize): bool {
  let h = header(),
    gap = h.border,
    a = start == gap ? h.top : max(roundUp(start, CELL), gap + BLOCK_MIN)
  if (endFor(end) < a + BLOCK_MIN) return false
  h.fresh = max(h.fresh, start)
  setBorder(end)
  if (start == gap) return true
  // The gap is reserved; what lies before it, where the tables were, is free, or too little for a block.
  if (!isGap(gap - h.top)) gap = h.top
  flipReserved(carveTop(gap, a))
  h.fixed += a - gap
  return true
}

/** Makes sure of nodes for so many blocks more and for what remains of those that they are cut from: where they lack, in top, in new
 *  memory or in a free block. False if none of these has room. */
export function ensureNodes(more: u32): bool {
  while (nodesMayLack(more)) {
    if (extend(BLOCK_MIN, more)) continue
    // Now with a smaller reserve: nodes for 1/256 of the blocks instead of 1/4.
    if (!makeRoom(BLOCK_MIN, more - (header().blocks >>> 8) * 63) && !lodgeNodes()) return false
  }
  return true
}
/** Moves the nodes into a free block, with room for twice as many. False if there is none. */
function lodgeNodes(): bool {
  let h = header(),
    blocks = (h.blocksMax << 1) | 1,
    size: usize = nodesFor(blocks),
    p = findAligned(size, CELL, 1, 0)
  if (!p) return false
  memory.copy(p, h.nodes, h.nodesUsed)
  h.nodes = p
  h.blocksMax = blocks
  freeLodge()
  h.lodge = p
  h.lodgeSize = size
  h.fixed += size
  flipReserved(p)
  return true
}
/** Frees the block that the nodes were in, if they were in one. */
function freeLodge(): void {
  let h = header(),
    p = h.lodge
  if (!p) return
  h.lodge = 0
  h.fixed -= h.lodgeSize
  flipReserved(p)
  releaseAt(p)
}
/** Moves the nodes out of their block and frees it, if they were in one and have room where they belong. False if not. */
export function leaveLodge(): bool {
  let h = header()
  if (!h.lodge || !makeRoom(0, -(h.blocks >>> 2))) return false
  freeLodge()
  return true
}
/** Whether what sbrk gave, or others have grown, follows the tables. It never becomes the arena's: new memory lies beyond it. */
export function isBlocked(): bool {
  let h = header()
  return h.brk != h.border || memoryEnd() != h.limit
}
/** Makes the block in use at p, of `size` bytes, n bytes long where it is. False if there is no room behind it. */
export function resize(p: usize, size: usize, n: usize): bool {
  let h = header(),
    end = p + size,
    stop = p + n,
    flipped = stop
  if (n <= size) {
    shorten(p, stop, end)
    return true
  }
  n -= size
  if (end == h.top) {
    if (h.end - end < n) {
      if (isBlocked() ? !makeRoom(n, 0) : !extend(max(n, BLOCK_MIN), 0)) return false
    }
    h.top = stop
  } else {
    if (!isFree(around32(end))) return false
    let nodes = h.nodes,
      number = nodeFrom(h, end),
      node = nodeIn(nodes, number)
    if (node.end - end < n) return false
    stop = takeFront(h, nodes, number, end, n, false)
    flipped = markOf(node, stop)
  }
  flipBoth(end, flipped)
  noteUsed(p, stop)
  return true
}

/** Begins the arena behind the header and the first tables, up to `end`, a multiple of 64 KiB. At least a block has room. */
export function begin(end: usize): void {
  let h = header(),
    top = firstBlock()
  h.top = top
  beginTables(end)
  h.fixed = top - base()
}
