// Growth: the arena's end, with the tables behind it, moves up with the break.

import { base, BLOCK_MIN, BREAK_MAX, CELL, header, HEADER_SIZE, NO_SPANS, PAGE, roundUp } from './layout'
import { around, FIRST, flip, noteUsed, RESERVED, SECOND } from './shadow'
import { endInTop, release, resizeInRow } from './arena'
import { areNodesShort, beginNodes, BINS_SIZE, NODE_SIZE, packNodes } from './node'
import { advance } from './break'

/** Pages whose tables stand behind the header. For more pages, they stand at the arena's end. */
const LOW_PAGES: usize = 4
/** Bytes of the tables' words of zeros and of their part for each page: shadow, links, entry, map. */
const TABLES_FIXED: usize = 16
const TABLES_PAGE: usize = 512 + 128 + 16 + 1
/** Bytes of the nodes that stand behind the header. */
const LOW_NODES: usize = BINS_SIZE + 64 * NODE_SIZE
/** Bytes from the header to the first block. */
export const BEGIN_SIZE: usize =
  HEADER_SIZE + ((LOW_NODES + TABLES_FIXED + LOW_PAGES * TABLES_PAGE + CELL - 1) & ~(CELL - 1))

/** Number of the heap's first page. */
// @ts-ignore: decorator
@inline function firstPage(): usize {
  return base() >>> 16
}
/** Whether the tables of so many pages, and as many nodes as there shall be, have room behind the header. */
// @ts-ignore: decorator
@inline function areLow(pages: usize): bool {
  return pages <= LOW_PAGES && header().nodesSize <= LOW_NODES
}
/** Where the tables but for the nodes begin if they end with the page before number `capacity`. */
// @ts-ignore: decorator
@inline function tablesFor(capacity: usize): usize {
  return ((capacity << 16) - TABLES_FIXED - (capacity - firstPage()) * TABLES_PAGE) & ~(CELL - 1)
}
/** Where the arena ends if its memory and its tables end with the page before number `capacity`: never so little behind the
 *  end of a page that it would be no block. */
export function endFor(capacity: usize): usize {
  if (areLow(capacity - firstPage())) return capacity << 16
  let end = tablesFor(capacity) - header().nodesSize,
    beyond = end & (PAGE - 1)
  return beyond < BLOCK_MIN ? end - beyond : end
}
/** The least capacity for which the arena reaches to `to`, an address up to BREAK_MAX. */
function capacityFor(to: usize): usize {
  let first = firstPage(),
    capacity = (to + PAGE - 1) >>> 16
  if (areLow(capacity - first)) return capacity
  to += header().nodesSize + TABLES_FIXED + CELL + BLOCK_MIN
  return (to - first * TABLES_PAGE + (PAGE - TABLES_PAGE) - 1) / (PAGE - TABLES_PAGE)
}

/** Moves an array of the tables up, of which each page has 1 << log2 bytes, and fills it up with `value` for new pages. */
function moveUp(to: usize, from: usize, log2: usize, pages: usize, value: u8): void {
  if (to == from) return // as many pages as before
  let start = firstPage() << log2,
    old = ((<usize>header().capacity) << log2) - start
  memory.copy(to + start, from + start, old)
  memory.fill(to + start + old, value, (pages << log2) - old)
}
/** Moves the nodes to `nodes` and the other tables, for so many pages, up to `tables`. */
function setTables(nodes: usize, tables: usize, pages: usize): void {
  let h = header(),
    first = firstPage(),
    shadow = tables + 8,
    links = shadow + 8 + (pages << 9),
    entries = links + (pages << 7),
    map = entries + (pages << 4)
  shadow -= first << 9
  links -= first << 7
  entries -= first << 4
  map -= first
  // The last first: each goes to where it or those behind it were.
  moveUp(map, h.map, 0, pages, <u8>NO_SPANS)
  moveUp(entries, h.entries, 4, pages, 0)
  moveUp(links, h.links, 7, pages, 0)
  moveUp(shadow, h.shadow, 9, pages, 0)
  store<u64>(shadow + ((first + pages) << 9), 0)
  store<u64>(shadow + (first << 9) - 8, 0)
  memory.copy(nodes, h.nodes, h.nodesUsed)
  h.nodes = nodes
  h.shadow = shadow
  h.links = links
  h.entries = entries
  h.map = map
}
/** Makes the arena reach as far as the given capacity allows. */
function setEnd(capacity: usize): void {
  let h = header(),
    end = endFor(capacity),
    pages = capacity - firstPage()
  if (!areLow(pages)) {
    setTables(end, tablesFor(capacity), pages)
    // The only mark that may stand behind the pages that the low tables had.
    if (h.top == (<usize>h.capacity) << 16) flip(h.top, FIRST)
  }
  h.end = end
  h.extent = end - base()
  h.capacity = <u32>capacity
}

/** Gives what nodes are not in use back to the arena. False if there are none. */
function shrinkNodes(): bool {
  let h = header(),
    end = h.end
  if (h.nodesSize <= LOW_NODES) return false
  packNodes()
  // Never so few that the tables would return to behind the header.
  h.nodesSize = max(h.capacity - firstPage() > LOW_PAGES ? LOW_NODES : LOW_NODES + NODE_SIZE, h.nodesUsed)
  setEnd(h.capacity)
  h.fresh = max(h.fresh, h.end)
  return h.end != end
}

/** Makes the arena hold a free stretch of at least n bytes (a multiple of 16, at least BLOCK_MIN) where top is, which may
 *  be elsewhere then. False if the memory may not grow so far. */
export function extend(n: usize): bool {
  let h = header()
  if (shrinkNodes() && h.end - h.top >= n) return true
  let old = h.end,
    nodesSize = h.nodesSize
  if (areNodesShort()) h.nodesSize += (nodesSize >>> 1) & -NODE_SIZE
  while (true) {
    let size = h.end - base(),
      brk = h.brk,
      from = brk == (<usize>h.capacity) << 16 ? h.top : brk + BLOCK_MIN
    if (n > BREAK_MAX - from) break
    let capacity = capacityFor(from + n)
    if (capacity > BREAK_MAX >>> 16) break
    let need = (capacity << 16) - brk,
      spare = size < 0x4000000 ? size >>> 6 : size >>> 5,
      start = advance(need, spare > need ? spare - need : 0)
    if (!start) break
    if (absorb(start, h.brk) && h.end - h.top >= n) return true
  }
  if (h.end == old) h.nodesSize = nodesSize
  return false
}

/** Gives the stretch [start, end) behind the tables to the arena, whose tables go to its end: the continuation of top, or a
 *  new top behind a gap. False if it is too short for its own tables: then it becomes part of the next gap. */
function absorb(start: usize, end: usize): bool {
  let h = header(),
    gap = (<usize>h.capacity) << 16,
    capacity = end >>> 16,
    a = start
  if (start != gap) {
    a = max(roundUp(start, CELL), gap + BLOCK_MIN)
    if (endFor(capacity) < a + BLOCK_MIN) return false
  }
  h.peak = max(h.peak, h.top - base() - h.binned)
  h.fresh = max(h.fresh, a)
  setEnd(capacity)
  if (start == gap) return true
  // The gap is reserved; what lies before it, where the tables were, is free.
  let p = h.top
  flip(gap, gap == p ? RESERVED ^ FIRST : RESERVED)
  flip(a, FIRST)
  noteUsed(gap, a)
  h.top = a
  h.fixed += a - gap
  if (p == gap) return true
  flip(p, SECOND)
  noteUsed(p, gap)
  release(p, around(p))
  return true
}

/** Makes room for half as many nodes more, if there is any before the arena's end. */
export function extendNodes(): void {
  let h = header(),
    was = h.nodesSize
  h.nodesSize += (was >>> 1) & -NODE_SIZE
  if (endFor(h.capacity) >= h.top + BLOCK_MIN) setEnd(h.capacity)
  else h.nodesSize = was
}

/** Makes the block in use [p, end) n bytes long where it is. False if there is no room behind it. */
export function resize(p: usize, end: usize, n: usize): bool {
  let h = header(),
    stop = p + n
  if (stop <= end || end != h.top) return resizeInRow(p, end, n)
  if (h.end - end < stop - end && (!extend(max(stop - end, BLOCK_MIN)) || end != h.top)) return false
  flip(end, FIRST)
  endInTop(p, n)
  return true
}

/** Begins the arena behind the header and the first tables, up to `end`, a multiple of 64 KiB. At least a block has room. */
export function begin(end: usize): void {
  let h = header(),
    top = base() + BEGIN_SIZE
  h.capacity = <u32>firstPage()
  h.nodesSize = LOW_NODES
  let tables = base() + HEADER_SIZE
  setTables(tables, tables + LOW_NODES, LOW_PAGES)
  beginNodes()
  setEnd(end >>> 16)
  flip(top, FIRST)
  h.top = top
  h.fixed = top - base()
}
