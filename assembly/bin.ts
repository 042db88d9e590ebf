// Bins of small blocks: each has an active span that malloc takes from, and a list of the other spans with room. When another span
// becomes active because that one is full, the full one is detached: in no list, until the first free in it puts it on the list.
//
// Invariants: a span of a bin is exactly one of active, listed, detached; a detached one has no free block, a listed one has.

import { ACTIVE, base, BLOCK_MIN, BREAK_MAX, CELL, header, LISTS, NONE, PAGE, roundUp, SPAN } from './layout'
import {
  alignedFrom,
  carveTop,
  crosses,
  EVERYWHERE,
  find,
  findAligned,
  IN_PAGE,
  IN_TOP,
  releaseAt,
  WHOLE,
} from './arena'
import { ensureNodes, extend, leaveLodge } from './growth'
import { BEGIN_SIZE, makeRoom } from './tables'
import { binOf, firstFrom, nodesMayLack } from './node'
import {
  addressOf,
  DETACHED,
  FIRST_SPANS,
  isHeader,
  KEPT,
  prefetch,
  releaseRun,
  releaseSpan,
  RUN,
  Span,
  takeSpan,
} from './span'
import { BINS_SMALL, cellsOfBin } from './size'

/** Free blocks that are looked at for an aligned one. */
const ALIGNED_TRIES: u32 = 32

// Fields of a bin's records.
const ACTIVE_SPAN: usize = ACTIVE
export const ACTIVE_AT: usize = ACTIVE + 4
export const CELLS: usize = ACTIVE + 8
export const HEAD: usize = LISTS
export const TAIL: usize = LISTS + 4
export const HELD: usize = LISTS + 8

/** The bits of a span's `next` that say the bin, times 16. */
export const BIN: u32 = 0xf0

/** The descriptor that `next` leads to, or 0. */
export function nextOf(span: Span): usize {
  return rotr<u32>(span.next & ~BIN, 4)
}

/** Address of a bin's records, less the offsets above. */
// @ts-ignore: decorator
@inline export function recordOf(bin: u32): usize {
  return base() + ((<usize>bin) << 4)
}
/** The record of a span's bin. */
// @ts-ignore: decorator
@inline function recordOfSpan(span: Span): usize {
  return base() + (span.next & BIN)
}
/** The cells of a span where blocks begin. */
// @ts-ignore: decorator
@inline export function cellsOf(span: Span): u64 {
  return load<u64>(recordOfSpan(span), CELLS)
}
/** The bits of a span's blocks in use. */
// @ts-ignore: decorator
@inline export function usedIn(span: Span): u64 {
  return span.prev == DETACHED && !isHeader(span) ? cellsOf(span) : ~span.free
}
/** The active span of a bin. */
// @ts-ignore: decorator
@inline export function activeOf(record: usize): Span {
  return changetype<Span>(load<usize>(record, ACTIVE_SPAN))
}

/** Sets up the records of a new heap. */
export function beginBins(): void {
  for (let bin: u32 = 0; bin < BINS_SMALL; bin++) {
    deactivate(recordOf(bin))
    store<u64>(recordOf(bin), cellsOfBin(bin), CELLS)
  }
}

/** Puts a span behind the bin's list. */
function append(record: usize, span: Span): void {
  let d = changetype<usize>(span),
    last = load<usize>(record, TAIL)
  span.next &= BIN
  span.prev = last
  if (last) changetype<Span>(last).next |= rotl<u32>(<u32>d, 4)
  else store<usize>(record, d, HEAD)
  store<usize>(record, d, TAIL)
}
/** Takes a span out of the bin's list. */
function remove(record: usize, span: Span): void {
  let next = nextOf(span),
    prev = span.prev
  if (next) changetype<Span>(next).prev = prev
  else store<usize>(record, prev, TAIL)
  if (prev) changetype<Span>(prev).next = span.next
  else store<usize>(record, next, HEAD)
}

/** Leaves a bin without an active span. */
function deactivate(record: usize): void {
  store<usize>(record, base() + NONE, ACTIVE_SPAN)
}
/** Makes a span the active one of its bin, and detaches the one that was, which is full. */
// @ts-ignore: decorator
@inline function activate(record: usize, span: Span): void {
  let was = activeOf(record)
  if (changetype<usize>(was) != base() + NONE) {
    was.free = -1
    was.prev = DETACHED
  }
  span.prev = 0
  store<usize>(record, changetype<usize>(span), ACTIVE_SPAN)
  store<usize>(record, addressOf(span), ACTIVE_AT)
}

/** Makes sure that the active span of the bin whose record is at `offset` has room: if not, the next one with room or a new one becomes
 *  active. False if there is no memory. */
export function refill(offset: usize): bool {
  let record = base() + offset,
    span = changetype<Span>(load<usize>(record, HEAD))
  if (span) {
    // The list's first, without a call of remove: 0.92 of the time where spans are full often.
    let next = nextOf(span)
    if (next) changetype<Span>(next).prev = 0
    else store<usize>(record, 0, TAIL)
    store<usize>(record, next, HEAD)
  } else {
    let grow = false
    while (!(span = takeSpan(grow))) {
      if (grow) return false
      grow = !gather()
    }
    span.next = <u32>offset
    store<u32>(record, load<u32>(record, HELD) + 1, HELD)
  }
  activate(record, span)
  return true
}

/** Gives a span back whose blocks are all free. */
function drop(record: usize, span: Span): void {
  releaseSpan(addressOf(span))
  store<u32>(record, load<u32>(record, HELD) - 1, HELD)
}

/** Notes which blocks of a span are in use after a free, and tells its bin if the span was detached or has none left. */
export function freeIn(span: Span, used: u64): void {
  let record = recordOfSpan(span),
    active = span == activeOf(record)
  span.free = ~used
  if (used) {
    if (span.prev == DETACHED) {
      // In a heap too large for caches: more of the span's blocks are often freed next.
      if (header().extent >>> 22) prefetch(addressOf(span))
      append(record, span)
    }
    return
  }
  if (span.prev == RUN) releaseRun(addressOf(span), span.next)
  else if (active && !load<usize>(record, HEAD)) {
    // The bin may need it at once.
    span.prev = KEPT
    header().settled = 0
  } else {
    if (active) deactivate(record)
    else remove(record, span)
    drop(record, span)
  }
  settle()
}

/** Whether the heap's blocks in use are all small. */
// @ts-ignore: decorator
@inline function isArenaEmpty(): bool {
  let h = header()
  return h.top - base() - h.freeBytes == h.fixed
}
/** After a block of the arena, a mapping or a span's last block was freed: if no block is in use at all, releases the empty spans that
 *  the bins keep, so that the same requests find the same places again. If their only page is as a new heap makes it, they may stay. */
export function settle(): void {
  settleInline()
}
/** As settle, without a call. */
// @ts-ignore: decorator
@inline export function settleInline(): void {
  if (!header().settled) if (isArenaEmpty()) settleNow()
}
function settleNow(): void {
  for (let bin: u32 = 0; bin < BINS_SMALL; bin++) {
    let record = recordOf(bin)
    if (load<u32>(record, HELD) > <u32>(activeOf(record).free == -1)) {
      // Whoever frees the last of its blocks asks again.
      activeOf(record).prev = 0
      return
    }
  }
  let h = header()
  // Unless all of them are in one page with FIRST_SPANS, whose header takes another KiB.
  if (h.fixed >= BEGIN_SIZE + FIRST_SPANS + 2 * SPAN || h.freeBytes >= PAGE) gather()
  else h.emptied = 1
}

/** Before a request fails, or takes from top what begins another page, or a large block is copied: releases the bins' active spans that
 *  hold no blocks. False if there was none. */
export function gather(): bool {
  let h = header(),
    any = false
  for (let bin: u32 = 0; bin < BINS_SMALL; bin++) {
    let record = recordOf(bin),
      span = activeOf(record)
    if (span.free != -1) span.prev = 0
    else {
      deactivate(record)
      drop(record, span)
      any = true
    }
  }
  h.settled = 1
  h.emptied = 0
  return any | leaveLodge()
}

/** A block of n bytes (a multiple of 16, at least BLOCK_MIN) of the arena. 0 if there is no memory. What the bins keep is released
 *  wherever a new heap would have to grow, even if this one need not: so where blocks lie does not depend on how large it once was. */
export function obtain(n: usize): usize {
  let h = header(),
    reach = IN_PAGE
  while (true) {
    let p = find(n, reach)
    if (p) {
      // Room for nodes that lack is made only now: before, it might have come out of the one block that is long enough.
      if (reach != EVERYWHERE || ensureNodes(0)) return p
      releaseAt(p)
      reach = WHOLE
    } else if (reach == IN_PAGE) {
      if (h.settled || !crosses(h.top, n) || !gather()) reach = IN_TOP
    } else if (reach == EVERYWHERE) {
      if (!nodesMayLack(0) || !ensureNodes(0)) return 0
    } else if (!extend(n, 0) && !gather()) reach = EVERYWHERE
  }
}

/** As obtain, but exactly n bytes, at a multiple of `alignment`; and nodes for so many blocks more. */
export function obtainAligned(n: usize, alignment: usize, more: u32): usize {
  while (true) {
    let lacking = nodesMayLack(more) && !makeRoom(CELL, more),
      p: usize = lacking ? 0 : findAligned(n, alignment, ALIGNED_TRIES, 0)
    if (p) return p
    if (gather()) continue
    let h = header(),
      top = h.top,
      a = alignedFrom(top, alignment)
    if (a < top || a > BREAK_MAX - n) break
    if (a + n <= h.end && !lacking) return carveTop(a, a + n)
    // For the block and its nodes at once: memory that has grown for what then is refused cannot be given back.
    if (!extend(a + n - top, more)) break
  }
  return firstFrom(binOf(n), 0) && ensureNodes(more) ? findAligned(n, alignment, -1, 0) : 0
}

/** Bytes of the arena's block for a request. */
// @ts-ignore: decorator
@inline export function blockSize(size: usize): usize {
  return max(roundUp(size, CELL), BLOCK_MIN)
}
