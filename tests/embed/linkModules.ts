// Modules in text for the tests of granary link, and what becomes of each.

import type { LinkOptions } from '../../cli/plan.ts'

/** A malloc and a free that do nothing. */
export const allocating = '(func $malloc (param i32) (result i32) (i32.const 0)) (func $free (param i32))'
export const withBase = '(memory 1) (global $__heap_base i32 (i32.const 1024))'

/** A module as Emscripten makes them: its break, which begins at 70000, is behind a word of its data, and its host grows the memory. */
export const emscripten = (resize = 'emscripten_resize_heap') => `(module
  (import "env" "${resize}" (func $resize (param i32) (result i32))) (import "env" "other" (func $other (param i32) (result i32)))
  (memory (export "memory") 2 20) (data (i32.const 2040) "1234\\70\\11\\01")
  (func $move (param i32) (result i32) (local i32)
    (local.set 1 (i32.load (i32.const 2044)))
    (local.set 0 (i32.add (local.get 1) (local.get 0)))
    (if (i32.gt_u (local.get 0) (i32.shl (memory.size) (i32.const 16))) (then (drop (call $resize (local.get 0)))))
    (i32.store (i32.const 2044) (local.get 0))
    (local.get 1))
  (func (export "malloc") (param i32) (result i32) (call $move (i32.and (i32.add (local.get 0) (i32.const 15)) (i32.const -16))))
  (func (export "free") (param i32))
  (func (export "also") (result i32) (call $other (i32.const 1))))`

/** A module that does not say where its heap may begin: its stack is where it is told. */
const withStack = (top: number, rest = '') => `(module (memory 2) (global (mut i32) (i32.const ${top}))
  (data (i32.const 1024) "abcd") ${allocating} ${rest})`

/** A module whose malloc only lists the blocks, which it gets where the program's own things are too. */
const backingHeap = (grown: string) => `(module (memory (export "memory") 1) (global $__heap_base i32 (i32.const 4096))
  (data (i32.const 2048) "\\00\\10\\00\\00\\00\\00\\01\\00")
  (func $below (export "below") (param i32) (result i32) (local i32)
    (local.set 1 (i32.load (i32.const 2048)))
    (local.set 0 (i32.add (local.get 1) (local.get 0)))
    (if (i32.gt_u (local.get 0) (i32.load (i32.const 2052)))
      (then (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then ${grown}))))
    (i32.store (i32.const 2048) (local.get 0))
    (local.get 1))
  (func $malloc (export "malloc") (param i32) (result i32) (local i32)
    (local.set 1 (call $below (i32.add (local.get 0) (i32.const 4))))
    (i32.store (local.get 1) (i32.load (i32.const 2056)))
    (i32.store (i32.const 2056) (local.get 1))
    (i32.add (local.get 1) (i32.const 4)))
  (func $free (export "free") (param i32)
    (i32.store (i32.const 2056) (i32.load (i32.sub (local.get 0) (i32.const 4))))))`

/** Modules that must be refused, and a part of the sentence that says why. */
export const refusals: Record<string, [module: string, sentence: string, options?: LinkOptions]> = {
  'no malloc': [`(module ${withBase})`, 'neither imports malloc'],
  'no malloc, but what takes blocks of one': [
    `(module (import "env" "malloc_usable_size" (func (param i32) (result i32))) ${withBase})`,
    'neither imports malloc',
  ],
  'no malloc and no __heap_base, for want of malloc': ['(module (memory 1))', 'neither imports malloc'],
  'no __heap_base': [`(module (memory 1) ${allocating})`, '--export=__heap_base'],
  'no __heap_base, and the stack above the data': [withStack(70000), 'say --heap-base 70000'],
  'no __heap_base, and the stack below the data': [withStack(1024), 'say --heap-base 131072'],
  'no __heap_base, and a first variable that is no stack': [withStack(-5), 'say --heap-base 131072'],
  'a name that is none of the family': [
    `(module ${withBase} ${allocating})`,
    'malloc_trim is none of malloc, free',
    { functions: new Map([[0, 'malloc_trim']]) },
  ],
  'the index of no function': [
    `(module ${withBase} ${allocating})`,
    'no function of its own with the index 2',
    { functions: new Map([[2, 'malloc']]) },
  ],
  'the index of an import': [
    `(module (import "env" "log" (func (param i32) (result i32))) ${withBase} ${allocating})`,
    'no function of its own with the index 0',
    { functions: new Map([[0, 'malloc']]) },
  ],
  'a function whose signature is not that of its name': [
    `(module ${withBase} ${allocating})`,
    'calloc takes and returns i32 -> i32 where',
    { functions: new Map([[0, 'calloc']]) },
  ],
  'an aligned operator new that is given as memalign, and rounds by its second operand': [
    `(module ${withBase} ${allocating} (func $new (export "new") (param i32 i32) (result i32)
      (i32.and (call $malloc (i32.add (local.get 0) (local.get 1))) (i32.sub (i32.const 0) (local.get 1)))))`,
    'function new takes the size first',
    { functions: new Map([['new', 'memalign']]) },
  ],
  'an aligned operator new that is given as aligned_alloc, and hands its first operand to malloc': [
    `(module ${withBase} ${allocating} (func $new (export "new") (param i32 i32) (result i32)
      (if (i32.le_u (local.get 1) (i32.const 8)) (then (return (call $malloc (local.get 0))))) (unreachable)))`,
    'function new takes the size first',
    { functions: new Map([['new', 'aligned_alloc']]) },
  ],
  'an address for the heap where the module has its own': [
    `(module ${withBase} ${allocating})`,
    'leave out --heap-base',
    { heapBase: 2048 },
  ],
  'an address for the heap in its data': [withStack(0), 'data up to 1028, above', { heapBase: 1027 }],
  'an address for the heap in its stack': [withStack(70000), 'stack begins at 70000, above', { heapBase: 69999 }],
  'an address for the heap beyond its memory': [withStack(0), 'ends at 131072', { heapBase: 131073 }],
  "an address for the heap beyond its memory that is also a number of the program's": [
    withStack(0, '(func (export "low") (result i32) (i32.const -65536))'),
    'ends at 131072',
    { heapBase: 0xffff0000 },
  ],
  'no __heap_base, and an imported memory of any size': [
    `(module (import "env" "memory" (memory 0)) ${allocating})`,
    'say --heap-base ADDRESS if',
  ],
  'an address for the heap in front of a variable': [
    withStack(1024, '(func $count (export "count") (i32.store (i32.const 2048) (i32.const 1)))'),
    'function count seems to have a variable at 2048',
    { heapBase: 2000 },
  ],
  'no free': [
    `(module ${withBase} (func $malloc (export "m") (param i32) (result i32) (i32.const 0)))`,
    '-Wl,--export=free if the program never frees',
  ],
  'another signature': [
    `(module (import "env" "malloc" (func $malloc (param i64) (result i32))) ${withBase})`,
    'takes and returns i64 -> i32',
  ],
  'shared memory': [`(module (memory 1 2 shared) (global $__heap_base i32 (i32.const 0)) ${allocating})`, 'shared'],
  'a 64-bit memory': [`(module (memory i64 1) (global $__heap_base i64 (i64.const 0)) ${allocating})`, '64-bit'],
  'blocks of its old heap': [
    `(module ${withBase} (data (i32.const 1020) "abcdefgh") ${allocating})`,
    'initialised before',
  ],
  "a part of the allocator, which is none of C's": [
    `(module ${withBase} ${allocating.replace('(i32.const 0)', '(i32.load (i32.const 16))')}
      (func $forget (export "forget") (param i64) (i64.store (i32.const 16) (local.get 0))))`,
    "it is none of C's",
  ],
  'an old allocator that calls its host, nobody knows what for': [
    `(module (import "a" "b" (func $resize (param i32) (result i32))) ${withBase}
      (func $sbrk (param i32) (result i32) (call $resize (local.get 0)))
      (func $malloc (export "malloc") (param i32) (result i32) (call $sbrk (i32.const 65536)))
      (func $free (export "free") (param i32)))`,
    'calls its host (a.b)',
  ],
  'a function that has the host grow the memory, and stays': [
    emscripten()
      .replace('(func $move', '(func $move (export "m")')
      .replace('(i32.const 15)', '(i32.load (i32.const 16))')
      .replace('"free") (param i32)', '"free") (param i32) (i32.store (i32.const 16) (i32.const 15))'),
    'function move has its host grow the memory',
  ],
  'the name of no export': [
    `(module ${withBase} ${allocating})`,
    'no function of its own that it exports as m',
    { functions: new Map([['m', 'malloc']]) },
  ],
  'an inlined malloc whose free does nothing': [
    `(module ${withBase} (global $at (mut i32) (i32.const 1024))
      (func $malloc (export "malloc") (param i32) (result i32)
        (global.set $at (i32.add (global.get $at) (local.get 0))) (global.get $at))
      (func $free (export "free") (param i32))
      (func $take (export "take") (result i32) (global.set $at (i32.add (global.get $at) (i32.const 8))) (global.get $at)))`,
    'function take uses the old allocator',
  ],
  'a malloc on another heap, which the program uses too and which takes all memory for its own': [
    backingHeap('(i32.store (i32.const 2052) (i32.shl (memory.size) (i32.const 16)))'),
    'function below grows another heap',
  ],
  'a function that keeps things where the heap begins': [
    `(module (import "env" "malloc" (func (param i32) (result i32))) ${withBase}
      (func $keep (export "keep") (param i32) (i32.store (i32.add (local.get 0) (i32.const 1024)) (i32.const 1))))`,
    'function keep uses the address where the heap begins',
  ],
  'an inlined free': [
    `(module ${withBase}
      (func $malloc (export "malloc") (param i32) (result i32) (i32.store (i32.const 16) (i32.const 1)) (i32.const 0))
      (func $free (export "free") (param i32) (i32.store (i32.const 16) (local.get 0)))
      (func $forget (export "forget") (param i32) (i32.store (i32.const 16) (local.get 0))))`,
    'function forget uses the old allocator',
  ],
  'an inlined free whose state is in a global': [
    `(module ${withBase} (global $list (mut i32) (i32.const 0))
      (func $malloc (export "malloc") (param i32) (result i32) (global.get $list))
      (func $free (export "free") (param i32) (global.set $list (local.get 0)))
      (func $forget (export "forget") (param i32) (global.set $list (local.get 0))))`,
    'function forget uses the old allocator',
  ],
  'an inlined free that writes its state as a vector': [
    `(module ${withBase}
      (func $malloc (export "malloc") (param i32) (result i32) (v128.store (i32.const 16) (v128.const i32x4 1 1 1 1)) (i32.const 0))
      (func $free (export "free") (param i32) (v128.store (i32.const 16) (v128.const i32x4 0 0 0 0)))
      (func $forget (export "forget") (v128.store64_lane 0 (i32.const 16) (v128.const i32x4 0 0 0 0))))`,
    'function forget uses the old allocator',
  ],
  'an inlined free that writes its state atomically': [
    `(module ${withBase}
      (func $malloc (export "malloc") (param i32) (result i32) (i32.atomic.load (i32.const 16)))
      (func $free (export "free") (param i32) (i32.atomic.store (i32.const 16) (local.get 0)))
      (func $forget (export "forget") (drop (i32.atomic.rmw.add (i32.const 16) (i32.const 1)))))`,
    'function forget uses the old allocator',
  ],
  'an inlined free whose state is in an array': [
    `(module ${withBase}
      (func $malloc (export "malloc") (param i32) (result i32) (i32.load offset=1040 (local.get 0)))
      (func $free (export "free") (param i32) (i32.store offset=1040 (local.get 0) (i32.const 1)))
      (func $forget (export "forget") (param i32) (i32.store offset=1040 (local.get 0) (i32.const 2))))`,
    'function forget uses the old allocator',
  ],
  'an inlined free whose state is in an array whose place is added': [
    `(module ${withBase}
      (func $malloc (export "malloc") (param i32) (result i32) (i32.load offset=1040 (local.get 0)))
      (func $free (export "free") (param i32)
        (i32.store (i32.add (i32.shl (local.get 0) (i32.const 2)) (i32.const 1040)) (i32.const 1)))
      (func $forget (export "forget") (param i32) (i32.store offset=1040 (local.get 0) (i32.const 2))))`,
    'function forget uses the old allocator',
  ],
  'an inlined free whose state is at an address in a local': [
    `(module ${withBase}
      (func $malloc (export "malloc") (param i32) (result i32) (i32.load (i32.const 16)))
      (func $free (export "free") (param i32) (i32.store (i32.const 16) (local.get 0)))
      (func $forget (export "forget") (param i32) (local $at i32)
        (local.set $at (i32.const 16)) (i32.store (local.get $at) (local.get 0)) (i32.store (local.get $at) (i32.const 0))))`,
    'function forget uses the old allocator',
  ],
  'a calloc that reads flags in front of its block, inlined': [
    `(module ${withBase}
      (func $malloc (export "malloc") (param i32) (result i32) (i32.const 2048))
      (func $free (export "free") (param i32))
      (func $zeros (export "zeros") (param i32) (result i32) (local $block i32)
        (local.set $block (if (result i32) (local.get 0) (then (call $malloc (local.get 0))) (else (call $malloc (i32.const 1)))))
        (if (i32.and (i32.load offset=4 (i32.sub (local.get $block) (i32.const 8))) (i32.const 3))
          (then (memory.fill (local.get $block) (i32.const 0) (local.get 0))))
        (local.get $block)))`,
    'function zeros reads what the old allocator keeps in front of blocks',
  ],
  'a function that reads the size in front of a block, as free does': [
    `(module ${withBase} (global $freed (mut i32) (i32.const 0))
      (func $malloc (export "malloc") (param i32) (result i32) (i32.const 2048))
      (func $free (export "free") (param i32)
        (global.set $freed (i32.and (i32.load (i32.sub (local.get 0) (i32.const 4))) (i32.const -8))))
      (func $usable (export "usable") (param $block i32) (result i32) (local $head i32)
        (local.set $head (i32.load (i32.sub (local.get $block) (i32.const 4))))
        (i32.sub (i32.and (local.get $head) (i32.const -8)) (i32.const 4))))`,
    'function usable reads what the old allocator keeps in front of blocks',
  ],
  'a feature of WebAssembly that it does not serve': [
    `(module (type $s (struct (field i32))) ${withBase} ${allocating} (func (drop (struct.new $s (i32.const 1)))))`,
    'does not serve: gc',
  ],
  'data beyond 2 GiB': [`(module ${withBase} (data (i32.const 0x80000100) "x") ${allocating})`, 'initialised before'],
  'data at an address that is no constant': [
    `(module (import "env" "at" (global $at i32)) ${withBase} (data (global.get $at) "x") ${allocating})`,
    'no constant',
  ],
  'a host that is told something when the memory grows': [
    `(module (import "env" "told" (func $told (param i32))) ${withBase}
      (func $malloc (export "malloc") (param i32) (result i32)
        (call $told (memory.size)) (i32.shl (memory.grow (i32.const 1)) (i32.const 16)))
      (func $free (export "free") (param i32)))`,
    'env.told',
  ],
  'a free without a name that only a global holds': [
    `(module ${withBase} (table $t 1 funcref)
      (func $malloc (export "malloc") (param i32) (result i32) (i32.load (i32.const 16)))
      (func $free (export "free") (param i32) (i32.store (i32.const 16) (local.get 0)))
      (global $g (export "g") (mut funcref) (ref.func $forget))
      (func $forget (param i32) (i32.store (i32.const 16) (local.get 0))))`,
    'function forget uses the old allocator directly',
  ],
  'a __heap_base where no heap can begin': [
    `(module (memory 1) (global $__heap_base i32 (i32.const -16)) ${allocating})`,
    '__heap_base is 4294967280',
  ],
  'what was linked for linking': [`(module ${withBase} ${allocating} (export "granary.free" (func $free)))`, 'linking'],
}

/** Modules that look like one of those, and are not. */
export const accepted: Record<string, string> = {
  'an allocator whose host grows the memory, and whose other imports do not': emscripten('b').replace(
    '(call $move (i32',
    '(drop (call $other (i32.const 1))) (call $move (i32',
  ),
  'imports from a module whose name begins as those of WASI': `(module (import "wasi_heap" "malloc" (func (param i32) (result i32)))
    ${withBase})`,
  'data of no bytes above the place where the heap begins': `(module ${withBase} (data (i32.const 2048) "") ${allocating})`,
  'imports whose names say i64 and shared': `(module (import "i64" "shared" (memory 1))
    (import "shared" "i64" (func $take (param i32) (result i32))) (import "env" "malloc" (func (param i32) (result i32)))
    (global $__heap_base i32 (i32.const 1024)))`,
  "words of the program's own in front of other things, and in its blocks": `(module ${withBase} (global $freed (mut i32) (i32.const 0))
    (func $malloc (export "malloc") (param i32) (result i32) (i32.const 2048))
    (func $free (export "free") (param i32)
      (global.set $freed (i32.and (i32.load (i32.sub (local.get 0) (i32.const 4))) (i32.const -8))))
    (func (export "kind") (param i32) (result i32) (i32.and (i32.load (i32.sub (local.get 0) (i32.const 4))) (i32.const 3)))
    (func (export "even") (param i32) (result i32) (i32.and (i32.load (i32.sub (local.get 0) (i32.const 4))) (i32.const -2)))
    (func (export "last") (param i32) (result i32) (local $block i32)
      (local.set $block (i32.add (call $malloc (local.get 0)) (i32.const 8)))
      (i32.and (i32.load (i32.sub (local.get $block) (i32.const 4))) (i32.const 3))))`,
  'a malloc on pages that it takes as the program does: from wherever the memory ends': `(module ${withBase}
    (func $pages (export "pages") (param i32) (result i32) (local i32)
      (local.set 1 (memory.size))
      (if (i32.eq (memory.grow (local.get 0)) (i32.const -1)) (then (return (i32.const 0))))
      (i32.store (i32.const 20) (i32.add (i32.load (i32.const 20)) (local.get 0)))
      (i32.shl (local.get 1) (i32.const 16)))
    (func $malloc (export "malloc") (param i32) (result i32)
      (i32.store (i32.const 16) (call $pages (i32.const 1))) (i32.load (i32.const 16)))
    (func $free (export "free") (param i32) (i32.store (i32.const 16) (local.get 0))))`,
  'an allocator that grows memory by itself, and imports that have nothing to do with it': `(module
    (import "a" "b" (func $log (param i32) (result i32))) (import "a" "c" (func $abort)) ${withBase}
    (func $malloc (export "malloc") (param i32) (result i32)
      (local.set 0 (memory.grow (i32.const 1)))
      (if (i32.eq (local.get 0) (i32.const -1)) (then (call $abort)))
      (i32.shl (local.get 0) (i32.const 16)))
    (func $free (export "free") (param i32))
    (func (export "log") (drop (call $log (i32.const 1)))))`,
  'a C library’s note of where the stack begins, which is where the heap does': `(module (memory 2) (global $sp (mut i32) (i32.const 70000))
    (global $__heap_base i32 (i32.const 70000)) ${allocating}
    (func (export "start") (i32.store (i32.const 1040) (i32.const 70000)) (i32.store (i32.const 1044) (i32.const 65536))))`,
  'parameters with names of several words': `(module ${withBase}
    (func $malloc (param $"size (bytes)" i32) (result i32) (i32.const 0)) (func $free (param $"a block" i32)))`,
}

/** Modules, and their functions that are then granary's. */
export const replacements: Record<string, [module: string, replaced: string]> = {
  'functions that hand on to others, which do the work': [
    `(module ${withBase}
      (func $take (param i32) (result i32) (i32.load (i32.const 16)))
      (func $middle (param i32) (result i32) (call $take (local.get 0)))
      (func (export "malloc") (param i32) (result i32) (call $middle (local.get 0)))
      (func $give (param i32) (i32.store (i32.const 16) (local.get 0)))
      (func (export "free") (param i32) (call $give (local.get 0)))
      (func (export "run") (call $give (call $take (i32.const 8)))))`,
    'malloc (function 2), free (function 4), malloc (function middle), free (function give), malloc (function take)',
  ],
  'not functions that also do something else, or hand on something else': [
    `(module ${withBase} (global $n (mut i32) (i32.const 0))
      (func $count (param i32) (result i32) (global.set $n (i32.add (global.get $n) (i32.const 1))) (local.get 0))
      (func $swap (param i32 i32) (result i32) (i32.const 0))
      (func $other (param i32) (result i32) (i32.const 0))
      (func $malloc (param i32) (result i32) (call $count (i32.add (local.get 0) (i32.const 8))))
      (func $valloc (export "valloc") (param i32) (result i32) (call $count (call $other (local.get 0))))
      (func $calloc (export "calloc") (param i32 i32) (result i32) (call $swap (local.get 1) (local.get 0)))
      (func $free (param i32)))`,
    'malloc, valloc, calloc, free',
  ],
  'an allocator that stands on an imported sbrk': [
    `(module (import "env" "sbrk" (func $sbrk (param i32) (result i32))) ${withBase}
      (func $malloc (export "malloc") (param i32) (result i32) (call $sbrk (local.get 0)))
      (func $free (export "free") (param i32)))`,
    'malloc, free',
  ],
  'exports by names that C libraries use among themselves': [
    `(module ${withBase}
      (func $a (export "__libc_malloc") (param i32) (result i32) (i32.const 0))
      (func $b (export "dlfree") (param i32))
      (func $c (export "emscripten_builtin_memalign") (param i32 i32) (result i32) (i32.const 0)))`,
    'malloc (function a), free (function b), memalign (function c)',
  ],
}

/** Modules whose function \`run\` returns the same before and after, and what it returns. */
export const same: Record<string, [module: string, result: number]> = {
  'a free that calls another function': [
    `(module ${withBase} (global $n (mut i32) (i32.const 0))
      (func $malloc (export "malloc") (param i32) (result i32) (i32.const 4096))
      (func $count (param i32) (global.set $n (i32.add (global.get $n) (local.get 0))))
      (func $free (export "free") (param i32) (call $count (i32.const 1)))
      (func (export "run") (result i32) (call $count (i32.const 14)) (global.get $n)))`,
    14,
  ],
  'memory that the program grows before its first malloc': [
    `(module (import "env" "malloc" (func $take (param i32) (result i32))) (import "env" "free" (func (param i32)))
      (memory (export "memory") 1) (global $__heap_base i32 (i32.const 1024))
      (func (export "run") (result i32) (local $own i32) (local $n i32)
        (local.set $own (i32.shl (memory.grow (i32.const 1)) (i32.const 16)))
        (i32.store (local.get $own) (i32.const 77))
        (loop $again
          (memory.fill (call $take (i32.const 1000)) (i32.const 1) (i32.const 1000))
          (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 200))))
        (i32.load (local.get $own))))`,
    77,
  ],
  'memory that the program grows where the heap would have to begin': [
    `(module (import "env" "malloc" (func $take (param i32) (result i32))) (import "env" "free" (func (param i32)))
      (memory (export "memory") 1) (global $__heap_base i32 (i32.const 65000))
      (func (export "run") (result i32) (local $own i32)
        (local.set $own (i32.shl (memory.grow (i32.const 1)) (i32.const 16)))
        (i32.store (local.get $own) (i32.const 77))
        (if (call $take (i32.const 10)) (then (return (i32.const 1))))
        (i32.load (local.get $own))))`,
    77,
  ],
  'a function of its own that is called free, beside the imported one': [
    `(module (import "env" "malloc" (func $take (param i32) (result i32))) (import "env" "free" (func $give (param i32))) ${withBase}
      (global $n (mut i32) (i32.const 0))
      (func $free (param i32) (global.set $n (i32.add (global.get $n) (local.get 0))))
      (func (export "run") (result i32) (call $give (call $take (i32.const 3))) (call $free (i32.const 5)) (global.get $n)))`,
    5,
  ],
  'a malloc and a calloc for the host that put the size in front, on the imported malloc': [
    `(module (import "env" "malloc" (func $take (param i32) (result i32))) (import "env" "free" (func $give (param i32))) ${withBase}
      (func $malloc (export "malloc") (param i32) (result i32) (local i32)
        (local.set 1 (call $take (i32.add (local.get 0) (i32.const 8))))
        (i32.store (local.get 1) (local.get 0))
        (i32.add (local.get 1) (i32.const 8)))
      (func $calloc (export "calloc") (param i32 i32) (result i32) (call $malloc (i32.mul (local.get 0) (local.get 1))))
      (func $free (export "free") (param i32) (call $give (i32.sub (local.get 0) (i32.const 8))))
      (func (export "run") (result i32) (local i32)
        (local.set 0 (call $calloc (i32.const 3) (i32.const 7)))
        (call $free (local.get 0))
        (i32.load (i32.sub (local.get 0) (i32.const 8)))))`,
    21,
  ],
  'imports of calloc and free alone': [
    `(module (import "env" "calloc" (func $calloc (param i32 i32) (result i32)))
      (import "env" "free" (func $free (param i32))) ${withBase}
      (func (export "run") (result i32) (local i32)
        (local.set 0 (call $calloc (i32.const 10) (i32.const 4))) (call $free (local.get 0)) (i32.load (local.get 0))))`,
    0,
  ],
}
