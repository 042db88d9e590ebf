// granary under AssemblyScript's garbage collector, in the place of TLSF:
//
//   asc program.ts --runtime ./node_modules/granary/embed/assemblyscript/runtime.as --use HEAP_BASE_BUILTIN=1
//
// The collector reads how many bytes of a block it may use from the four bytes before it, ignoring the two lowest bits. Small blocks
// have these four in front (FRONT in assembly/config.ts); others are allocated 16 bytes longer, to keep the alignment.

import 'rt/itcms'
import { FRONT } from '../../assembly/config'
import { free, malloc, realloc } from '../../assembly/index'
import { SMALL_MAX } from '../../assembly/layout'

if (!isDefined(HEAP_BASE_BUILTIN)) ERROR('granary as the runtime needs --use HEAP_BASE_BUILTIN=1')

const SIZE: usize = 4
/** Beside the size of a block that begins LARGE_FRONT bytes before it. */
const LARGE: usize = 1
const LARGE_FRONT: usize = 16

// @ts-ignore: decorator
@inline function isSmall(size: usize): bool {
  return FRONT != 0 && size <= SMALL_MAX - FRONT
}
/** Bytes to ask malloc for: LARGE_FRONT and whole cells, so that all bytes of the size that is noted belong to the block. */
// @ts-ignore: decorator
@inline function largeTotal(size: usize): usize {
  if (size > 0x7fffffe0) unreachable()
  return ((size + 15) & ~15) + LARGE_FRONT
}
// @ts-ignore: decorator
@inline function begin(block: usize, size: usize): usize {
  store<usize>(block - SIZE, size)
  return block
}
// @ts-ignore: decorator
@inline function beginLarge(start: usize, total: usize): usize {
  if (!start) unreachable() // AssemblyScript has no way to go on without memory
  return begin(start + LARGE_FRONT, (total - LARGE_FRONT) | LARGE)
}
/** Whether a block is 0 or an object in the program's static data: these are never freed. */
// @ts-ignore: decorator
@inline function isStatic(block: usize): bool {
  return block < __heap_base
}
// @ts-ignore: decorator
@inline function infoOf(block: usize): usize {
  return load<usize>(block - SIZE)
}

// @ts-ignore: decorator
@global function __alloc(size: usize): usize {
  if (!isSmall(size)) return beginLarge(malloc(largeTotal(size)), largeTotal(size))
  const block = malloc(size)
  if (!block) unreachable()
  return begin(block, ((size + FRONT + 15) & ~15) - FRONT)
}

// @ts-ignore: decorator
@global function __realloc(block: usize, size: usize): usize {
  const info = infoOf(block)
  if (!isStatic(block) && info & LARGE && !isSmall(size))
    return beginLarge(realloc(block - LARGE_FRONT, largeTotal(size)), largeTotal(size))
  const moved = __alloc(size)
  memory.copy(moved, block, min(info & ~3, size))
  __free(block)
  return moved
}

// @ts-ignore: decorator
@global function __free(block: usize): void {
  if (!isStatic(block)) free(infoOf(block) & LARGE ? block - LARGE_FRONT : block)
}
