// The start: finds the heap in memory or begins one, at the first call.

import { base, BLOCK_MIN, BREAK_MAX, Header, header, HEADER_SIZE, MAGIC, PAGE, roundUp, SMALL_MAX } from './layout'
import { ABI, FRONT } from './config'
import { growMemory, memoryEnd } from './break'
import { heapEnd } from './env'
import { ENOMEM, tell } from './error'
import { begin } from './growth'
import { BEGIN_SIZE, firstBlock } from './tables'
import { beginBins } from './bin'

// Of this instance: the largest small size, 0 until it has found or made the header; and how many cells from there on it knows to be
// the heap's.
export let smallLimit: usize = 0
let known: u32 = 0

/** Finds the heap in memory or begins one. False if the memory may not grow to hold it, if others have grown it where the heap
 *  would begin, or if a heap of another version or variant is there: then no byte has changed, though the memory may have grown. */
export function ready(): bool {
  if (smallLimit) return true
  let p = base(),
    h = changetype<Header>(p)
  if (p > BREAK_MAX - BEGIN_SIZE - PAGE) return cannot()
  let end = roundUp(firstBlock() + BLOCK_MIN, PAGE),
    pages = <u32>(end >>> 16),
    have: u32 = memory.size(),
    grows = have < pages
  if (grows && growMemory(pages - have) < end) return cannot()
  if (h.magic == MAGIC) {
    if (h.abi != ABI) return cannot()
  } else {
    let ours = heapEnd() ? min(have, <u32>(heapEnd() >>> 16)) : have
    if (ours < pages && ours < have) return cannot()
    memory.fill(p, 0, HEADER_SIZE)
    h.growths = <u32>grows
    h.limit = ours < have ? (<usize>ours) << 16 : memoryEnd()
    h.fresh = h.limit
    h.brk = h.floor = end
    begin(end)
    beginBins()
    h.abi = ABI
    h.magic = MAGIC
  }
  smallLimit = SMALL_MAX - FRONT
  return true
}

/** Tells that there is no heap: with ENOMEM, whatever the reason. */
function cannot(): bool {
  tell(ENOMEM)
  return false
}

/** Whether p is a multiple of 16 and in the heap as far as this instance knows it. */
// @ts-ignore: decorator
@inline export function isKnown(p: usize): bool {
  // What is no multiple of 16 becomes far too large.
  return rotr<u32>(<u32>p, 4) - <u32>(base() >>> 4) < known
}
/** The same, as far as the heap reaches now. */
export function isInHeap(p: usize): bool {
  if (!p || !ready()) return false
  known = <u32>(header().extent >>> 4)
  return isKnown(p)
}
