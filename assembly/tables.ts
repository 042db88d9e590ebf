// The tables: the shadow with its distances, the pages' entries, and the nodes. They stand behind the header, and behind the arena as
// soon as that has more than a few pages: then they move up whenever it grows.

import { base, CELL, header, HEADER_SIZE, PAGE, pageStart, roundUp, UNTOUCHED } from './layout'
import { around32, flip, isMarked } from './shadow'
import { beginNodes, BINS_SIZE, blocksFor, nodeAt, nodesFor, NODE_SIZE } from './node'

/** Pages whose tables stand behind the header. For more pages, they stand at the arena's end. */
const LOW_PAGES: usize = 4
/** Bytes of the tables: those that no page's are (a word of zeros before and after the shadow, the map's last byte); and those of each
 *  page (shadow, distances, entry, map). */
const TABLES_FIXED: usize = 17
const TABLES_PAGE: usize = 512 + 128 + 16 + 1
/** The number of blocks that nodes behind the header are enough for, and the bytes of these. */
const LOW_BLOCKS: u32 = 157
const LOW_NODES: usize = BINS_SIZE + ((LOW_BLOCKS + 3) << 3)
/** Bytes of the header, the first tables, and a cell that takes what is written before the first block. */
export const BEGIN_SIZE: usize = HEADER_SIZE + LOW_NODES + TABLES_FIXED + LOW_PAGES * TABLES_PAGE + CELL
/** Where the first block begins. */
// @ts-ignore: decorator
@inline export function firstBlock(): usize {
  return roundUp(base() + BEGIN_SIZE, CELL)
}

/** Number of the heap's first page. */
// @ts-ignore: decorator
@inline function firstPage(): usize {
  return base() >>> 16
}
/** Where the first nodes stand. */
// @ts-ignore: decorator
@inline function lowNodes(): usize {
  return base() + HEADER_SIZE
}
/** Whether the tables of so many pages, and as many nodes as there shall be, have room behind the header. */
// @ts-ignore: decorator
@inline function areLow(pages: usize): bool {
  return pages <= LOW_PAGES && header().blocksMax <= LOW_BLOCKS
}
/** Number of the heap's pages up to `border`, a multiple of 64 KiB. */
// @ts-ignore: decorator
@inline function pagesTo(border: usize): usize {
  return (border >>> 16) - firstPage()
}
/** Where the tables but for the nodes begin if they end at `border`. */
// @ts-ignore: decorator
@inline function tablesFor(border: usize): usize {
  return (border - TABLES_FIXED - pagesTo(border) * TABLES_PAGE) & ~(CELL - 1)
}
/** Where the arena ends if it and its tables have the memory up to `border`, a multiple of 64 KiB; 0 if the tables have no room. */
export function endFor(border: usize): usize {
  let nodes: usize = nodesFor(header().blocksMax)
  return areLow(pagesTo(border)) ? border : max(tablesFor(border), nodes) - nodes
}
/** The least such border for which the arena reaches to `to`, an address up to BREAK_MAX; 0 if none does. */
// @ts-ignore: decorator
@inline export function borderFor(to: usize): usize {
  let border = roundUp(to, PAGE)
  while (border && endFor(border) < to) border += PAGE
  return border
}

/** Moves up one of the tables, which has 1 << log2 bytes for each of the heap's new number of pages: zeros, which are not copied, if
 *  `map` calls neither the page nor the next one touched. */
function moveUp(to: usize, from: usize, log2: usize, pages: usize, map: usize): void {
  if (to == from) return // as many pages as before
  let h = header(),
    first = firstPage()
  for (let page = first + pages; page > first; ) {
    page--
    let at = page << log2,
      n: usize = 1 << log2,
      m = map + page
    if ((load<u8>(m) & load<u8>(m, 1)) != UNTOUCHED) memory.copy(to + at, from + at, n)
    // What was never written reads as zero.
    else if (to + at < h.fresh) memory.fill(to + at, 0, n)
  }
}
/** Moves the nodes to `nodes` and the other tables, for so many pages, up to `tables`. */
function setTables(nodes: usize, tables: usize, pages: usize): void {
  let h = header(),
    first = firstPage(),
    shadow = tables + 7,
    distances = shadow + 9 + (pages << 9),
    entries = distances + (pages << 7),
    map = entries + (pages << 4)
  shadow -= first << 9
  distances -= first << 7
  entries -= first << 4
  map -= first
  // The last first: each goes to where it or those behind it were.
  let old = h.border >>> 16
  memory.copy(map + first, h.map + first, old - first)
  memory.fill(map + old, <u8>UNTOUCHED, pages + first - old + 1)
  memory.copy(entries + (first << 4), h.entries + (first << 4), (old - first) << 4)
  memory.fill(entries + (old << 4), 0, (pages + first - old) << 4)
  moveUp(distances, h.distances, 7, pages, map)
  moveUp(shadow + 1, h.shadow + 1, 9, pages, map)
  store<u64>(shadow + ((first + pages) << 9), 0, 1)
  store<u64>(tables, 0)
  memory.copy(nodes, h.nodes, h.nodesUsed)
  h.nodes = nodes
  h.shadow = shadow
  h.distances = distances
  h.entries = entries
  h.map = map
}
/** Pages that the tables are for. */
export function tablesPages(): usize {
  let h = header()
  return h.end == h.border ? LOW_PAGES : pagesTo(h.border)
}
/** Whether the tables are where their number of pages says, and have room for the nodes in use: for heap_verify, which then may read
 *  them. */
export function areTablesInPlace(): bool {
  let h = header(),
    first = firstPage(),
    low = h.end == h.border,
    nodes = low ? lowNodes() : h.end,
    pages = tablesPages(),
    shadow = (low ? nodes + LOW_NODES : tablesFor(h.border)) + 7,
    distances = shadow + 9 + (pages << 9),
    entries = distances + (pages << 7)
  if (h.nodesUsed < BINS_SIZE || h.nodesUsed > nodesFor(h.blocksMax) || h.shadow != shadow - (first << 9)) return false
  if (h.lodge && h.nodes == h.lodge) {
    if (h.lodge < firstBlock() || h.lodge > h.top || nodesFor(h.blocksMax) > h.top - h.lodge) return false
    if (!low && h.end > shadow) return false
  } else if (h.nodes != nodes || h.end != endFor(h.border)) return false
  return (
    h.distances == distances - (first << 7) &&
    h.entries == entries - (first << 4) &&
    h.map == entries + (pages << 4) - first
  )
}
/** Gives the arena and its tables the memory up to `border`, a multiple of 64 KiB. */
export function setBorder(border: usize): void {
  let h = header(),
    end = endFor(border)
  if (end != border) setTables(end, end + nodesFor(h.blocksMax), pagesTo(border))
  else if (h.nodes != lowNodes()) setTables(lowNodes(), lowNodes() + LOW_NODES, LOW_PAGES)
  // Top's mark may be lost: it stood after the pages that the tables had, or in the last cell of the last one, where only the next
  // page's byte in the map, which is new, told of it. The first flip also touches; the second undoes it if the mark was there.
  let top = h.top
  flip(top)
  if (!isMarked(around32(top))) flip(top)
  h.end = end
  h.extent = end - base()
  h.border = border
}

/** Moves the free blocks' nodes together, so that none is unused before the last one. */
function packNodes(): void {
  let h = header(),
    low = BINS_SIZE
  for (let high = h.nodesUsed; low < high; ) {
    let node = nodeAt(low)
    if (node.end) low += NODE_SIZE
    else {
      high -= NODE_SIZE
      if (nodeAt(high).end) {
        memory.copy(changetype<usize>(node), changetype<usize>(nodeAt(high)), NODE_SIZE)
        nodeAt(node.next).prev = low
        nodeAt(node.prev).next = low
        store<u32>(node.start, low)
        store<u32>(node.end - 4, low)
      }
    }
  }
  h.nodesUsed = low
  h.nodeFree = 0
}
/** Packs the nodes and sets header.blocksMax for so many blocks more. setBorder then makes that room. */
export function fitNodes(more: u32): void {
  let h = header()
  if (h.nodeFree) packNodes()
  // At least as many as in a new heap.
  h.blocksMax = max(LOW_BLOCKS, blocksFor(more) | 1)
}

/** Makes as many nodes as so many blocks more need, be it more or fewer than now, if top has n bytes then. False, and as many as before,
 *  if not. */
export function makeRoom(n: usize, more: u32): bool {
  let h = header(),
    was = h.blocksMax,
    end = h.end
  fitNodes(more)
  let fits = <u64>endFor(h.border) >= <u64>h.top + n
  if (fits) {
    setBorder(h.border)
    // Where nodes were.
    if (h.end > end) h.fresh = max(h.fresh, h.end)
  } else h.blocksMax = was
  return fits
}

/** Makes the first tables and the bins of a new heap, whose arena reaches to `end`, a multiple of 64 KiB. */
export function beginTables(end: usize): void {
  let h = header()
  h.border = pageStart(base())
  h.blocksMax = LOW_BLOCKS
  setBorder(end)
  beginNodes()
}
