// The heap's memory. Everything is in linear memory, so a copy of the memory is a copy of the heap.
//
//   __heap_base                                                              header.end         break
//   ┌────────┬───────┬──────┬─────────────────────────┬───────┬──────────┬───────┬────────┐
//   │ header │ block │ free │ page of spans           │ block │ mapping  │ top → │ tables │
//   └────────┴───────┴──────┴─────────────────────────┴───────┴──────────┴───────┴────────┘
//                    64 KiB boundary ┘      64 KiB boundary ┘
//
// Between header and tables is the arena. In a heap of up to four pages, the tables follow the header instead; when the heap
// outgrows them, they move to its end, and their old place stays unused.
//
// The arena is a row of blocks, each a multiple of 16 bytes. Nothing of the heap's own stands between or before them:
// where blocks begin and end is known from the shadow, one bit for each cell of 16 bytes. A set bit is a mark.
//
//   block in use   1 1 0 0 0 …      marks on its first two cells
//   free block     1 0 0 … 0 1      marks on its first and last cell; at least 5 cells
//   reserved       1 0 1 0 0 …      a page of a mapping, memory of others: nothing that free() accepts
//
// No two free blocks touch, and none touches top, so
//      a block in use starts at p            ⇔  the cells p, p+1, p+2, p+3 read 1 1 0 0
//      the block before a block's start p is free  ⇔  the cell p-1 is marked
//
// A free block has a node in the tables, which says where it starts and ends and links it with others of its bin. The node's
// number stands in the block's first four bytes and in its last four: a hint, worth nothing if the node is not of that block.
//
//   node         0  start u32, 4 end u32    addresses; 0 in an unused node
//                8  next u32, 12 prev u32   neighbours in the bin's ring, its head among them; of an unused node, the next unused one,
//                                         or 0
//
// Blocks of up to 256 bytes stand in spans of 1 KiB, each for blocks of one size. A page of spans ends at a 64 KiB boundary
// and starts where the arena had room, at least 1 KiB behind the boundary before, or in a small heap only as low as its spans
// are needed; its last KiB is its header, with a descriptor for each KiB from boundary to boundary:
//
//   page of spans    │ span 1 │ span 2 │ unused │ span 4 │ … │ header │
//   header           │ guard, 16 bytes │ descriptor of span 1 │ of span 2 │ … │ of span 62 │ of the header │
//
// The guard, which nobody reads, takes the bytes that an overflow of the block before the header writes.
//
//   descriptor   0  free   u64   bit i clear: a block in use begins at cell i of the span
//                8  next   u32   address of the descriptor of the next span with room, rotated left by 4 bits | bin << 4
//               12  prev   u32   address of that of the previous one; or DETACHED, KEPT or RUN
//
// Where a request would fail, unused spans of a page that follow one another are a block for it, a run. The descriptor of its first
// span has bit 0 clear and the run's bytes in `next`; those of the others have all bits set.
//
// So p is a block in use ⇔ it is a multiple of 16 and its cell's bit is clear. But a DETACHED span has all bits set, and all its
// blocks are in use: it was full when its bin took another, so the first free in it, which has to tell the bin, is noticed. A
// span that is not used has all bits set, too.

import { heapBase } from './env'

/** Bytes of a page of WebAssembly's memory. */
export const PAGE: usize = 0x10000
/** Pages that addresses of 32 bits can reach. */
export const PAGES_MAX: usize = 0x10000
/** Bytes for which the shadow has a bit; all blocks begin at multiples of it. */
export const CELL: usize = 16
/** Bytes of a span. */
export const SPAN: usize = 1024

/** Largest address that the break may reach. */
export const BREAK_MAX: usize = 0xffff0000
/** Blocks up to this size stand in spans. */
export const SMALL_MAX: usize = 256
/** Bytes of the smallest block in the arena: a free one needs five cells. */
export const BLOCK_MIN: usize = 80

/** A page's byte in `header.map` is the number of its first span; a page that has none has one of the following values. */
export const NO_SPANS: u32 = 64
/** A page of a mapping. */
export const MAPPED: u32 = 65
/** A page in which no block has begun yet, except perhaps in its last cell. */
export const UNTOUCHED: u32 = 255

export const MAGIC: u32 = 0x4e415247 // "GRAN"

// @ts-ignore: decorator
@unmanaged
export class Header {
  magic: u32
  /** ABI version << 8 | variant. */
  abi: u32
  /** errno of the last failure, as musl numbers it. */
  error: u32
  /** Why the last refused call was refused (error.ts), and the address that this is about. */
  reason: u32
  address: usize
  /** Bytes from the header to `end`: a block's address p satisfies p - header < extent. */
  extent: usize
  /** The tables, each biased so that a page or cell number indexes it: a byte for each page … */
  map: usize
  /** … a bit for each cell, one byte further, because the mark before a cell's is looked at too … */
  shadow: usize
  /** … a distance for each KiB … */
  distances: usize
  /** … and an entry for each page. */
  entries: usize
  /** The nodes of free blocks, behind the bins' heads … */
  nodes: usize
  /** … the bytes of heads and nodes up to the last node that is in use or was given back … */
  nodesUsed: u32
  /** … and the first node that was given back; 0 if there is none. */
  nodeFree: u32
  /** Number of blocks below top, used, free and reserved. */
  blocks: u32
  /** The most blocks for which there are nodes enough; an odd number. */
  blocksMax: u32
  /** Where the memory of the arena and its tables ends, a multiple of 64 KiB. */
  border: usize
  /** The arena's last stretch without blocks is [top, end). */
  top: usize
  end: usize
  /** The arena's block that the nodes are or were in because they had no room elsewhere, or 0; and its bytes. */
  lodge: usize
  lodgeSize: usize
  /** From the higher of this and top + 16 on, the arena was never written, and reads as zero. */
  fresh: usize
  /** The break; the lowest value that sbrk may give it; and where the memory ends that it may use without growth. */
  brk: usize
  floor: usize
  limit: usize
  /** Counters: successful growths, free bytes below top, mapped pages, sampled peak of bytes not free. */
  growths: u32
  freeBytes: usize
  mapped: u32
  peak: usize
  /** Bytes of what is neither a block of the arena nor free: header, first tables, pages of spans, memory of others, nodes in a block. */
  fixed: usize
  /** Whether the bins' empty spans were released since a bin kept one. */
  settled: u32
  /** Whether the heap has become empty since, and kept them (settle). */
  emptied: u32
  /** In the heap's stretches of 2 MiB below number `roomy`, no page has an unused span. */
  roomy: u32
}

// After these fields, at these offsets from the header:

/** For each bin of small blocks { descriptor of its active span u32, address of that span u32, cells where blocks begin u64 },
 *  16 bytes each. */
export const ACTIVE: usize = 128
/** For each bin { descriptor of the first span with room u32, of the last u32, number of spans u32, unused }, 16 bytes each. */
export const LISTS: usize = ACTIVE + 256
/** A descriptor with no bit set: the active span of a bin that has none. */
export const NONE: usize = LISTS + 256
/** For each bin of the arena a bit, set if it may have a free block; in words of 64. */
export const BINS_SET: usize = NONE + 16
/** log2 of the bins for each doubling of size. */
export const STEP_BITS: u32 = 4
/** Bins of the arena: of sizes from 2^6 to 2^32. */
export const BINS_ARENA: u32 = 26 << STEP_BITS
/** Behind those bits, where a search from behind the last bin on begins, and ends. */
export const BINS_SET_END: usize = BINS_SET + ((BINS_ARENA >>> 6) + 1) * 8
/** Bytes of the header, with its records. */
export const HEADER_SIZE: usize = BINS_SET_END

if (offsetof<Header>() > ACTIVE) ERROR("layout: the header's fields must end before ACTIVE")

/** Address of the header, where the heap begins. It need not be aligned. In a program that the heap is linked into, it is a constant,
 *  and so is the address of each field. */
// @ts-ignore: decorator
@inline export function base(): usize {
  return heapBase()
}

// @ts-ignore: decorator
@inline export function header(): Header {
  return changetype<Header>(base())
}

// A u16 in `header.distances`, one for each KiB: cells from its start to where the last block that begins in it ends, if that is in
// use and too long for its end to be found among the marks; 0: too far for a u16.
//
// A page's entry in `header.entries`, 16 bytes:
//    0  free u64   in a page of spans: which spans are unused
//       or out u32 elsewhere: where the block ends whose distance is 0 (see above)
//    8  roomy u32  of entry i: which of the 32 pages in the heap's i-th stretch of 2 MiB have an unused span
export const ENTRY_OUT: usize = 0
export const ENTRY_ROOMY: usize = 8

// @ts-ignore: decorator
@inline export function entryOf(p: usize): usize {
  return header().entries + ((p >>> 12) & ~15)
}
// @ts-ignore: decorator
@inline export function mapOf(p: usize): usize {
  return header().map + (p >>> 16)
}
/** Where the page that holds p begins. */
// @ts-ignore: decorator
@inline export function pageStart(p: usize): usize {
  return p & -PAGE
}
/** End of the page that holds p. */
// @ts-ignore: decorator
@inline export function pageEnd(p: usize): usize {
  return (p | 0xffff) + 1
}
/** Number in its page of the KiB, and so of the span, that holds p. */
// @ts-ignore: decorator
@inline export function spanNumber(p: usize): u32 {
  return <u32>(p >>> 10) & 63
}
// @ts-ignore: decorator
@inline export function roundUp(n: usize, to: usize): usize {
  return (n + to - 1) & ~(to - 1)
}
