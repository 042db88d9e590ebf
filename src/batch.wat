;; Loops over the heap's malloc and free inside Wasm, for Heap.mallocMany and Heap.freeMany (batch.ts).
(module
  (import "env" "memory" (memory 0))
  (import "env" "malloc" (func $malloc (param i32) (result i32)))
  (import "env" "free" (func $free (param i32)))

  ;; Where malloc_many is; after it, where the first size stands for which there is no memory, or the end.
  (global $at (export "at") (mut i32) (i32.const 0))

  ;; Replaces the sizes from $from to $to, of which there is at least one, by the addresses of blocks.
  (func (export "malloc_many") (param $from i32) (param $to i32)
    (local $block i32)
    (global.set $at (local.get $from))
    (loop $next
      (local.set $block (call $malloc (i32.load (global.get $at))))
      (if (i32.eqz (local.get $block)) (then (return)))
      (i32.store (global.get $at) (local.get $block))
      (global.set $at (i32.add (global.get $at) (i32.const 4)))
      (br_if $next (i32.ne (global.get $at) (local.get $to)))))

  ;; Its arguments come without passing through memory: freeing must not need any.
  (func (export "free_8") (param i32 i32 i32 i32 i32 i32 i32 i32)
    (call $free (local.get 0))
    (call $free (local.get 1))
    (call $free (local.get 2))
    (call $free (local.get 3))
    (call $free (local.get 4))
    (call $free (local.get 5))
    (call $free (local.get 6))
    (call $free (local.get 7))))
