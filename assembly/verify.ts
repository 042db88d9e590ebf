// heap_verify: walks the whole heap and checks every invariant that layout.ts and the layers document.

import {
  base,
  BINS_ARENA,
  BLOCK_MIN,
  CELL,
  entryOf,
  header,
  MAGIC,
  mapOf,
  MAPPED,
  NO_SPANS,
  NONE,
  PAGE,
  pageEnd,
  pageStart,
  SPAN,
  spanNumber,
  UNTOUCHED,
} from './layout'
import { ABI } from './config'
import { memoryEnd } from './break'
import { around32, firstMark, followsFree, around64, isFree, isReserved, isUsed, stopOf } from './shadow'
import { binOf, BINS_SIZE, headOf, nodeAt, nodesFor, NODE_SIZE, wordOf } from './node'
import { areTablesInPlace, firstBlock, tablesPages } from './tables'
import { DETACHED, groupOf, KEPT, roomyPages, RUN, Span, spanOf, spansFrom } from './span'
import { activeOf, ACTIVE_AT, BIN, CELLS, HEAD, HELD, nextOf, recordOf, TAIL } from './bin'
import { ready } from './start'
import { BINS_SMALL, cellsOfBin } from './size'

/** The header: magic number, ABI version and variant are those of this module. */
const HEADER: u32 = 1
/** top ≤ end ≤ break ≤ the heap's memory; the tables stand where their number of pages says, the nodes there or in a reserved block. */
const BORDERS: u32 = 2
/** The blocks follow one another without a gap from the first one to top, each with the marks of one kind, in pages that are not
 *  called untouched. */
const ROW: u32 = 3
/** No two free blocks touch, none touches top. */
const JOINED: u32 = 4
/** Where a block ends is found from its start; both ends of a free one lead to its node. */
const REACH: u32 = 5
/** Each free block is in one bin's ring once, the bin being of its size or larger ones; nothing else is; the bin's bit is set. */
const IN_BINS: u32 = 6
/** The counters of blocks, of free bytes and of bytes that are neither free nor a block of the arena are right; as many nodes are in
 *  use as blocks are free, and there is room for half as many as blocks. */
const COUNTED: u32 = 7
/** A page of spans is one block up to its page's end and has a used span; its roomy bit is set exactly if it has an unused one. */
const SPAN_PAGE: u32 = 8
/** An unused span's descriptor, and that of the page's header, has all bits set; the former is not detached. */
const UNUSED: u32 = 9
/** A span's bits are clear only where blocks of its bin begin. */
const DESCRIPTOR: u32 = 10
/** A span is its bin's active one, or detached with all bits set and in no list, or in its bin's list with some bits clear and some
 *  not; a bin names no others. */
const STATE: u32 = 11
/** A bin holds as many spans as it has counted. */
const HELD_SUM: u32 = 12
/** The pages marked as mapped are as many as counted, and each is a reserved block. */
const MAPPINGS: u32 = 13
/** A run has whole spans of one page, none of which is unused; all bits are set but for that of its first cell. */
const IN_RUN: u32 = 14

/** The number of nodes in use, or -1 if the list of unused ones is broken. */
function countNodes(): u32 {
  let used = header().nodesUsed,
    n = (used - BINS_SIZE) / NODE_SIZE
  for (let i = header().nodeFree; i; i = nodeAt(i).next) {
    if (!n || i < BINS_SIZE || i >= used || nodeAt(i).end) return -1
    n--
  }
  return n
}
/** The node of the free block [p, end), or 0 if what both ends say is not a node of that block. */
function nodeOf(p: usize, end: usize): u32 {
  let number = load<u32>(p)
  if (number != load<u32>(end - 4) || number >= header().nodesUsed || number & (NODE_SIZE - 1)) return 0
  return nodeAt(number).start == p && nodeAt(number).end == end ? number : 0
}

/** The bin of a span. */
// @ts-ignore: decorator
@inline function binOfSpan(span: Span): u32 {
  return (span.next & BIN) >>> 4
}
/** Whether a span of a bin must be on the bin's list. */
function shouldBeListed(record: usize, span: Span): bool {
  return activeOf(record) != span && span.prev != DETACHED
}

/** Verifies the run that begins at s, in a page with these spans unused. */
function verifyRun(s: usize, unused: u64): u32 {
  let bytes: usize = spanOf(s).next,
    rest = pageEnd(s) - SPAN - s
  if (spanOf(s).free != ~1 || !bytes || bytes > rest || bytes & (SPAN - 1)) return IN_RUN
  for (let n = SPAN; n < bytes; n += SPAN) {
    if ((unused >>> ((s + n) >>> 10)) & 1 || spanOf(s + n).free != -1 || spanOf(s + n).prev == DETACHED) return IN_RUN
  }
  return 0
}

/** Verifies the span of a bin at s. */
function verifySpan(s: usize): u32 {
  let span = spanOf(s),
    used = ~span.free,
    bin = binOfSpan(span),
    record = recordOf(bin),
    cells = cellsOfBin(bin)
  if (load<u64>(record, CELLS) != cells || used & ~cells) return DESCRIPTOR
  if (shouldBeListed(record, span)) return span.prev == KEPT || !used || used == cells ? STATE : 0
  if (activeOf(record) == span) return load<usize>(record, ACTIVE_AT) == s && span.prev != DETACHED ? 0 : STATE
  return span.prev == DETACHED && !used ? 0 : STATE
}

/** Whether the page that holds s is noted among those with unused spans. */
function isRoomy(s: usize): bool {
  let group = groupOf(s)
  return group >= header().roomy && ((load<u32>(roomyPages(group)) >>> (s >>> 16)) & 1) != 0
}

/** Verifies the page of spans that starts at s. */
function verifyPage(s: usize): u32 {
  let all = spansFrom(s),
    unused = load<u64>(entryOf(s)),
    end = pageEnd(s) - SPAN
  if (s & (SPAN - 1) || load<u8>(mapOf(s)) != spanNumber(s) || unused & ~all || unused == all) return SPAN_PAGE
  if (isRoomy(s) != (unused != 0)) return SPAN_PAGE
  for (; s < end; s += SPAN) {
    let span = spanOf(s),
      wrong: u32 = 0
    if ((unused >>> (s >>> 10)) & 1) {
      if (span.free != -1 || span.prev == DETACHED) wrong = UNUSED
    } else if (span.prev != RUN) wrong = verifySpan(s)
    else {
      wrong = verifyRun(s, unused)
      s += span.next - SPAN
    }
    if (wrong) return wrong
  }
  return spanOf(end).free == -1 ? 0 : UNUSED
}

/** Spans of a bin, by a walk over the pages; or only those that must be on its list. */
function spansOfBin(bin: u32, listed: bool): u32 {
  let n: u32 = 0
  for (let p = pageStart(base()); p < header().end; p += PAGE) {
    let first: usize = load<u8>(mapOf(p)),
      unused = load<u64>(entryOf(p))
    for (let i = first; i < 63; i++) {
      let span = spanOf(p + (i << 10))
      if ((unused >>> i) & 1) continue
      if (span.prev == RUN) i += (span.next >>> 10) - 1
      else if (binOfSpan(span) == bin && (!listed || shouldBeListed(recordOf(bin), span))) n++
    }
  }
  return n
}

/** Whether a descriptor is that of a span of the bin. */
function isSpanOf(bin: u32, d: usize): bool {
  let i = (d >>> 4) & 63
  if (d - base() >= header().extent || d & 15 || (d & 0xffff) < PAGE - SPAN || i < load<u8>(mapOf(d))) return false
  return i != 63 && !((load<u64>(entryOf(d)) >>> i) & 1) && binOfSpan(changetype<Span>(d)) == bin
}
/** Whether the active span of a bin, if it has one, is a span of the bin, and the list holds those that must be there, each once. */
function namesItsOwn(bin: u32): bool {
  let record = recordOf(bin),
    active = changetype<usize>(activeOf(record)),
    left = spansOfBin(bin, true),
    before: usize = 0
  if (active != base() + NONE && !isSpanOf(bin, active)) return false
  for (let d = load<usize>(record, HEAD); d; d = nextOf(changetype<Span>(d))) {
    if (!left || d == active || !isSpanOf(bin, d) || changetype<Span>(d).prev != before) return false
    left--
    before = d
  }
  return !left && before == load<usize>(record, TAIL)
}

/** The bits that say which bins may have a free block, from that of `bin` on to the end of its word. */
function bitsFrom(bin: u32): u64 {
  return load<u64>(wordOf(bin)) >>> bin
}

/** Whether the bins' rings hold as many nodes as there are free blocks, each of a block that is no larger than the bin's. */
function areListed(free: u32): bool {
  let h = header()
  for (let bin: u32 = 0; bin < BINS_ARENA; bin++) {
    let head = headOf(bin),
      first = nodeAt(head).next,
      before = head
    for (let number = first; number != head; number = nodeAt(number).next) {
      if (number >= h.nodesUsed || nodeAt(number).prev != before) return false
      let p = nodeAt(number).start,
        end = nodeAt(number).end
      if (p - base() >= h.extent || end - base() >= h.extent || nodeOf(p, end) != number) return false
      if (!isFree(around32(p)) || binOf(end - p) > bin) return false
      before = number
      free--
    }
    if (first != head && !(bitsFrom(bin) & 1)) return false
  }
  // A search may begin behind the last bin.
  return !free && !bitsFrom(BINS_ARENA)
}

/** Bytes of a stretch whose pages' roomy bits are in one word. */
const GROUP: usize = 0x200000

/** The invariant broken by the first page marked as mapped beyond those counted, as one of spans where no block begins, or as roomy
 *  though it has no spans or is beyond the heap; 0 if none is. */
function verifyPages(): u32 {
  let h = header(),
    mapped = h.mapped,
    start = pageStart(base())
  for (let page: usize = 0; page <= tablesPages(); page++) {
    let p = start + (page << 16), // wraps where the tables are for pages beyond all addresses
      first: usize = load<u8>(mapOf(start) + page)
    // The tables are for more pages, and one of the heap's may end with a cell that counts for the next.
    if (page >= (h.border - start) >>> 16) {
      if (first != <usize>NO_SPANS && first != <usize>UNTOUCHED) return SPAN_PAGE
      continue
    }
    if (first == <usize>MAPPED && !mapped--) return MAPPINGS
    if (first < <usize>NO_SPANS) {
      let s = p + (first << 10)
      if (s - base() >= h.top - base() || !isUsed(around32(s))) return SPAN_PAGE
    } else if (isRoomy(p)) return SPAN_PAGE
  }
  // In the first 2 MiB and the last, there are pages that are not the heap's.
  for (let page: usize = 0; page < 32; page++) {
    let low = (start & ~(GROUP - 1)) + (page << 16),
      high = ((h.border - 1) & ~(GROUP - 1)) + (page << 16)
    if ((low < start && isRoomy(low)) || (high >= h.border && isRoomy(high))) return SPAN_PAGE
  }
  return 0
}

/** 0 if the heap is sound, else the number of the invariant that is broken. */
export function verify(): u32 {
  // There is none, or one of another version or variant.
  if (!ready()) return <u64>memory.size() > (<u64>base() + 3) >> 16 && header().magic == MAGIC ? HEADER : 0
  let h = header()
  if (h.magic != MAGIC || h.abi != ABI) return HEADER
  if (h.top > h.end || h.floor > h.brk || h.end > h.brk || h.brk > h.limit) return BORDERS
  if (h.extent != h.end - base() || h.limit > memoryEnd()) return BORDERS
  if (!areTablesInPlace()) return BORDERS
  let p = firstBlock(),
    afterFree = false,
    freeBytes: usize = 0,
    mapped: u32 = 0,
    nodes: u32 = 0,
    blocks: u32 = 0,
    lodge: usize = 0,
    fixed = p - base()
  while (p != h.top) {
    if (p > h.top || load<u8>(mapOf(p + CELL)) == UNTOUCHED) return ROW
    let w = around64(h.shadow, p),
      end: usize
    if (followsFree(w) != afterFree) return ROW
    afterFree = false
    let first: u32 = load<u8>(mapOf(p))
    if (spanNumber(p) >= first) {
      end = pageEnd(p)
      if (!isUsed(w) || firstMark(p + 2 * CELL, end) != end) return ROW
      if (stopOf(p, w) != end) return REACH
      let wrong = verifyPage(p)
      if (wrong) return wrong
      fixed += end - p
    } else if (isUsed(w)) {
      end = firstMark(p + 2 * CELL, h.top)
      if (stopOf(p, w) != end) return REACH
    } else if (isFree(w)) {
      end = firstMark(p + CELL, h.top) + CELL
      if (end >= h.top) return JOINED
      let number = nodeOf(p, end)
      if (!number) return REACH
      freeBytes += end - p
      afterFree = true
      nodes++
      if (isFree(around32(end))) return JOINED
    } else {
      if (!isReserved(w)) return ROW
      end = firstMark(p + 3 * CELL, h.top)
      if (first == MAPPED) {
        if (p & (PAGE - 1) || end != p + PAGE || stopOf(p, w) != end) return MAPPINGS
        mapped++
      } else {
        fixed += end - p
        if (p == h.lodge) {
          lodge = p
          if (h.lodgeSize != end - p || (h.nodes == p && nodesFor(h.blocksMax) > end - p)) return BORDERS
        }
      }
    }
    if (end - p < BLOCK_MIN) return ROW
    blocks++
    p = end
  }
  if (load<u8>(mapOf(p + CELL)) == UNTOUCHED || firstMark(p + CELL, h.border) < h.border) return ROW
  if (afterFree) return JOINED
  if (lodge != h.lodge) return BORDERS
  if (freeBytes != h.freeBytes || nodes != countNodes() || blocks != h.blocks) return COUNTED
  if (blocks > h.blocksMax + 3) return COUNTED
  if (fixed != h.fixed) return COUNTED
  if (mapped != h.mapped) return MAPPINGS
  if (!areListed(nodes)) return IN_BINS
  let wrong = verifyPages()
  if (wrong) return wrong
  if (load<u64>(base(), NONE)) return STATE
  for (let bin: u32 = 0; bin < BINS_SMALL; bin++) {
    if (load<u64>(recordOf(bin), CELLS) != cellsOfBin(bin)) return DESCRIPTOR
    if (spansOfBin(bin, false) != load<u32>(recordOf(bin), HELD)) return HELD_SUM
    if (!namesItsOwn(bin)) return STATE
  }
  return 0
}
