// The start: finds the heap in memory or begins one, at the first call.

import { heapBase } from './env'
import {
  ABI_VERSION,
  base,
  BLOCK_MIN,
  BREAK_MAX,
  Header,
  header,
  HEADER_SIZE,
  MAGIC,
  PAGE,
  roundUp,
  SMALL_MAX,
} from './layout'
import { VARIANT } from './config'
import { growMemory, memoryPages } from './break'
import { begin } from './growth'
import { BEGIN_SIZE } from './tables'
import { beginBins } from './bin'

// Of this instance: SMALL_MAX once it has found or made the header, and how far it knows the heap to reach.
export let smallLimit: usize = 0
export let known: usize = 0

/** Finds the heap in memory or begins one. False, and nothing has changed, if the memory may not grow to hold it. */
export function ready(): bool {
  if (smallLimit) return true
  let p = base(),
    h = changetype<Header>(p)
  if (p < heapBase() || p > BREAK_MAX - BEGIN_SIZE - PAGE) return false
  let end = roundUp(p + BEGIN_SIZE + BLOCK_MIN, PAGE),
    pages = <u32>(end >>> 16),
    have: u32 = memory.size()
  if (have < pages && !growMemory(pages - have)) return false
  if (h.magic != MAGIC || h.abi != ((ABI_VERSION << 8) | VARIANT)) {
    memory.fill(p, 0, HEADER_SIZE)
    h.limit = memoryPages()
    h.fresh = (<usize>h.limit) << 16
    h.brk = h.floor = end
    begin(end)
    beginBins()
    h.abi = (ABI_VERSION << 8) | VARIANT
    h.magic = MAGIC
  }
  smallLimit = SMALL_MAX
  return true
}

/** Whether p lies in the heap as far as it reaches now. */
export function isInHeap(p: usize): bool {
  if (!smallLimit && !ready()) return false
  known = header().extent
  return p - base() < known
}
