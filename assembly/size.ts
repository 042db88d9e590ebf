// Sizes and bins of small blocks, all pure. Bin b holds blocks of 16 (b + 1) bytes, of which the first FRONT bytes lie before the address
// that malloc returns.

import { FRONT } from './config'

/** Number of bins of small blocks. */
export const BINS_SMALL: u32 = 16

/** Bytes of the blocks of a bin. */
// @ts-ignore: decorator
@inline export function sizeOf(bin: u32): usize {
  return (<usize>bin + 1) << 4
}
/** Offset in its bin's records of a request for 1 to SMALL_MAX - FRONT bytes: 16 times the bin. */
// @ts-ignore: decorator
@inline export function offsetFor(size: usize): usize {
  return (size + FRONT - 1) & 0xf0
}
/** The cells of a span where blocks of a bin begin, as bits. */
export function cellsOfBin(bin: u32): u64 {
  let cells: u64 = 0
  for (let c: u32 = FRONT ? 1 : 0; c + bin < 64; c += bin + 1) cells |= (<u64>1) << c
  return cells
}
