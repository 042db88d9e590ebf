// Sizes and bins of small blocks, all pure. Bin b holds blocks of 16 (b + 1) bytes.

import { GRANULE } from "./layout";

export const BINS_SMALL: u32 = 16;
/** Most blocks of a span: the last two bits of `free` are not blocks'. */
export const BLOCKS_MAX: u32 = 62;
/** Fixed point of `inverse`. */
export const INVERSE_BITS: u32 = 22;

/** Bytes of the blocks of a bin. */
// @ts-ignore: decorator
@inline export function sizeOf(bin: u32): usize {
  return (<usize>bin + 1) << 4;
}
/** Blocks in a span of `granules` for blocks of `size` bytes. */
// @ts-ignore: decorator
@inline export function blocksIn(granules: u32, size: usize): u32 {
  return min<u32>(BLOCKS_MAX, (granules * <u32>GRANULE) / <u32>size);
}
/** 2^22 / size, rounded up: for an offset of less than 64 blocks, offset * inverse holds the block's number above bit 22,
 *  and below it less than `inverse` exactly if the offset is a multiple of size. */
// @ts-ignore: decorator
@inline export function inverseOf(size: usize): u32 {
  return ((1 << INVERSE_BITS) + <u32>size - 1) / <u32>size;
}
/** Granules for the next span of a bin that holds `held` of them: a sixteenth of that, within what wastes little. */
export function granulesFor(bin: u32, held: u32): u32 {
  let size = <u32>sizeOf(bin), n: u32 = 1;
  while ((n << 10) % size > n << 7) n++; // at most an eighth
  let want = min(held >> 4, min(bin, 8)), best = n;
  let waste = ((n << 10) % size << 10) / n;
  while (n < want) {
    n++;
    let w = ((n << 10) % size << 10) / n;
    if (w <= waste || w < 1 << 15) {
      best = n;
      waste = w;
    }
  }
  return best;
}
