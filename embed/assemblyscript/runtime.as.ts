// granary under AssemblyScript's garbage collector, in the place of TLSF:
//
//   asc program.ts --runtime ./node_modules/granary/embed/assemblyscript/runtime.as --use HEAP_BASE_BUILTIN=1
//
// The collector reads the number of bytes that it may use of a block from the four bytes before it. granary's blocks have nothing
// of the kind in front, so each is allocated 16 bytes longer: 12 of them only keep the alignment.

import 'rt/itcms'
import { free, malloc, realloc } from '../../assembly/index'

const FRONT: usize = 16
const SIZE: usize = 4

/** Rounds up, so that what is noted as the block's size really is its own. */
// @ts-ignore: decorator
@inline function withFront(size: usize): usize {
  if (size > 0x7fffffe0) unreachable()
  return ((size + 15) & ~15) + FRONT
}

// @ts-ignore: decorator
@inline function begin(block: usize, size: usize): usize {
  if (!block) unreachable() // AssemblyScript has no way to go on without memory
  store<usize>(block + FRONT - SIZE, size - FRONT)
  return block + FRONT
}

// @ts-ignore: decorator
@global function __alloc(size: usize): usize {
  const total = withFront(size)
  return begin(malloc(total), total)
}

// @ts-ignore: decorator
@global function __realloc(block: usize, size: usize): usize {
  const total = withFront(size)
  return begin(realloc(block - FRONT, total), total)
}

// @ts-ignore: decorator
@global function __free(block: usize): void {
  free(block - FRONT)
}
