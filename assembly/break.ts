// The break: the border up to which memory is handed out, and the only place that grows the memory.
//
//   heap base          floor        brk             limit             memory.size
//   │ the arena's      │ sbrk's     │ ours, unused  │ grown by others │
//
// From header.fresh on, what lies between brk and limit reads as zero. Below, it may hold what the memory held at the heap's start, or
// what was written before lowerBreak.

import { header, BREAK_MAX, CELL, PAGE, PAGES_MAX, roundUp } from './layout'

/** In place of memory.grow, with GROW_BY_IMPORT: pages → old size in pages, or -1. */
// @ts-ignore: decorator
@external('env', 'grow') declare function grow(pages: i32): i32

/** Where the memory ends, or the last address that the break may reach. */
export function memoryEnd(): usize {
  let pages: usize = memory.size()
  while (pages >= PAGES_MAX) pages-- // one too many for a break; a loop, so that optimizers leave this in one place
  return pages << 16
}
/** Grows the memory by so many pages, if it may, and returns where it ends then: the host's own answer is not relied on. The only
 *  caller of memory.grow. */
// @ts-ignore: decorator
@inline export function growMemory(pages: u32): usize {
  if (isDefined(GROW_BY_IMPORT)) grow(pages)
  else memory.grow(pages)
  return memoryEnd()
}

/** Makes the memory from brk to brk + bytes the heap's, or to brk + most if that is granted. Where others have grown the memory, the
 *  break first moves past theirs; if the heap still has unused bytes before it, only with `skip`, and those stay unused. False, and
 *  nothing has changed, if there are such bytes and `skip` is false, or if the memory may not grow. */
function acquire(bytes: usize, most: usize, skip: bool): bool {
  let h = header(),
    brk = h.brk,
    limit = h.limit,
    left = limit - brk
  if (bytes <= left) return true
  let end = memoryEnd()
  if (end > limit) {
    if (left && !skip) return false
    brk = limit = end
  }
  if (bytes > BREAK_MAX - brk) return false
  let need = roundUp(brk + bytes, PAGE),
    want = roundUp(brk + min(BREAK_MAX - brk, most), PAGE)
  while (growMemory(<u32>((want - limit) >>> 16)) < need) {
    if (want == need) return false
    want = need
  }
  if (brk != h.brk) h.brk = h.floor = brk
  h.limit = memoryEnd() // a host may grow by more than it is asked for
  h.growths++
  return true
}

/** Moves the break up to a 64 KiB boundary, by `bytes` up to `most`, for the arena, which can take the memory at once.
 *  Returns where the new stretch begins: at the old break, unless others have grown the memory. It may be shorter than
 *  asked for if memory of others follows: ask again. 0 if refused. */
export function advance(bytes: usize, most: usize): usize {
  let h = header()
  if (!acquire(bytes, most, false)) {
    most = h.limit - h.brk
    if (!most || memoryEnd() == h.limit) return 0
  }
  let start = h.brk
  h.brk = h.floor = min(h.limit, roundUp(start + min(BREAK_MAX - start, most), PAGE))
  return start
}

/** Moves the break up by `bytes`, whose memory reads as zero. Returns where they begin: at the old break, or beyond what
 *  others have grown. 0 if refused, and nothing has changed. */
export function raiseBreak(bytes: usize): usize {
  let h = header()
  if (!acquire(bytes, bytes + ((h.brk - h.floor) >>> 3), true)) return 0
  let start = h.brk
  h.brk = start + bytes
  if (start < h.fresh) memory.fill(start, 0, min(bytes, h.fresh - start))
  return start
}

/** Moves the break down by `bytes`, which raiseBreak clears if it hands them out again. Returns where it was; 0, and nothing has
 *  changed, if they did not all come from raiseBreak since the arena last grew. */
export function lowerBreak(bytes: usize): usize {
  let h = header(),
    brk = h.brk
  if (bytes > brk - h.floor) return 0
  h.brk = brk - bytes
  // What was written behind the break, up to 16 bytes, is not taken for zeros.
  h.fresh = max(h.fresh, brk + CELL)
  return brk
}
