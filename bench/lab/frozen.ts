// A merged module whose growth can be refused, to see how much of its memory an allocator can put to use again.
import { type Allocator, withGrowth } from '../replay/merge.ts'

const switchable = `
  (global $frozen (mut i32) (i32.const 0))
  (export "frozen" (global $frozen))
  (func $grow (param $pages i32) (result i32)
    (if (result i32) (i32.and (global.get $frozen) (i32.ne (local.get $pages) (i32.const 0)))
      (then (i32.const -1))
      (else (memory.grow (local.get $pages)))))`

/** The same with a global `frozen`: as long as it is 1, the memory does not grow. */
export function freezable(merged: Allocator): Uint8Array {
  return withGrowth('freezable', merged, switchable)
}
