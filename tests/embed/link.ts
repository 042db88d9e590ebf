// granary link: what it links runs as before, and what it cannot link it refuses in words.

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import binaryen from 'binaryen'
import { LinkError } from '../../cli/error.ts'
import { type LinkOptions, link } from '../../cli/link.ts'
import { functionNames } from '../../cli/sections.ts'
import { bodies } from '../bodies.ts'
import { equal, root, shell, type Test, tools, workFolder } from './harness.ts'

const core = () => readFileSync(path.join(root, 'build/embed/granary.wasm'))
const wat = (text: string) => {
  const module = binaryen.parseText(text)
  const has = binaryen.Features
  module.setFeatures(has.Atomics | has.GC | has.Memory64 | has.MutableGlobals | has.ReferenceTypes | has.SIMD128)
  binaryen.setDebugInfo(true)
  return module.emitBinary()
}

/** A program that takes memory from an import, in 40 nodes. */
const importer = (module: string) =>
  wat(`(module
    (import "${module}" "malloc" (func $take (param i32) (result i32)))
    (import "${module}" "free" (func $give (param i32)))
    (memory (export "memory") 1)
    (global $base i32 (i32.const 2048))
    (export "__heap_base" (global $base))
    (func (export "run") (param i32) (result i32) (local i32)
      (local.set 1 (call $take (local.get 0)))
      (i32.store (local.get 1) (local.get 0))
      (local.set 0 (i32.load (local.get 1)))
      (call $give (local.get 1))
      (local.get 0)))`)

const allocating = '(func $malloc (param i32) (result i32) (i32.const 0)) (func $free (param i32))'
const withBase = '(memory 1) (global $__heap_base i32 (i32.const 1024))'

/** A module as Emscripten makes them: its break, which begins at 70000, is behind a word of its data, and its host grows the memory. */
const emscripten = (resize = 'emscripten_resize_heap') => `(module
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

/** Modules that must be refused, and a part of the sentence that says why. */
const refusals: Record<string, [module: string, sentence: string, options?: LinkOptions]> = {
  'no malloc': [`(module ${withBase})`, 'neither imports malloc'],
  'no malloc and no __heap_base, for want of malloc': ['(module (memory 1))', 'neither imports malloc'],
  'no __heap_base': [`(module (memory 1) ${allocating})`, '--export=__heap_base'],
  'no __heap_base, and the stack behind the data': [withStack(70000), 'say --heap-base 70000'],
  'no __heap_base, and the stack in front of the data': [withStack(1024), 'say --heap-base 131072'],
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
  'an address for the heap where the module has its own': [
    `(module ${withBase} ${allocating})`,
    'leave out --heap-base',
    { heapBase: 2048 },
  ],
  'an address for the heap in its data': [withStack(0), 'data up to 1028, behind', { heapBase: 1027 }],
  'an address for the heap in its stack': [withStack(70000), 'stack begins at 70000, behind', { heapBase: 69999 }],
  'an address for the heap behind its memory': [withStack(0), 'ends at 131072', { heapBase: 131073 }],
  'an address for the heap in front of a variable': [
    withStack(1024, '(func $count (export "count") (i32.store (i32.const 2048) (i32.const 1)))'),
    'function count seems to have a variable at 2048',
    { heapBase: 2000 },
  ],
  'no free': [`(module ${withBase} (func $malloc (export "m") (param i32) (result i32) (i32.const 0)))`, 'call free'],
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
  'what was linked for linking': [`(module ${withBase} ${allocating} (export "granary.free" (func $free)))`, 'linking'],
}

/** Modules that look like one of those, and are not. */
const accepted: Record<string, string> = {
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
const replacements: Record<string, [module: string, replaced: string]> = {
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
      (func $valloc (param i32) (result i32) (call $count (call $other (local.get 0))))
      (func $calloc (param i32 i32) (result i32) (call $swap (local.get 1) (local.get 0)))
      (func $free (param i32)))`,
    'malloc, valloc, calloc, free',
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
const same: Record<string, [module: string, result: number]> = {
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
  'imports of calloc and free alone': [
    `(module (import "env" "calloc" (func $calloc (param i32 i32) (result i32)))
      (import "env" "free" (func $free (param i32))) ${withBase}
      (func (export "run") (result i32) (local i32)
        (local.set 0 (call $calloc (i32.const 10) (i32.const 4))) (call $free (local.get 0)) (i32.load (local.get 0))))`,
    0,
  ],
}

/** The module without its names, and with a section of another tool. */
function stripped(module: string): Uint8Array {
  const parsed = binaryen.parseText(module)
  binaryen.setDebugInfo(false)
  parsed.addCustomSection('component-type', new TextEncoder().encode('types'))
  return parsed.emitBinary()
}

async function refusal(module: string, options?: LinkOptions): Promise<string> {
  try {
    await link(wat(module), core(), options)
  } catch (error) {
    if (error instanceof LinkError) return error.message
    throw error
  }
  return 'no refusal'
}

const clang = 'clang-22 --target=wasm32-wasi -O2 --no-wasm-opt -Wl,--export=__heap_base'

/** Prints whether a request fails, sets errno to the C library's ENOMEM, and posix_memalign returns its EINVAL. */
const failures = `
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
static void *volatile block;
int main(void) {
  for (int i = 0; i < 3; i++) block = malloc(0x7fffffff);
  printf("%d %d", block == NULL, *(volatile int *)&errno == ENOMEM);
  void *at = NULL;
  printf(" %d\\n", posix_memalign(&at, 3, 100) == EINVAL);
  free(block);
  return 0;
}`

/** Calls one of the two functions of dlmalloc that read the words in front of blocks, and prints 0 if it does what it must. */
const headers = `
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static char *volatile block;
static volatile size_t count = 100;
int main(void) {
  block = malloc(100);
  memset(block, 1, 100);
  free(block);
#ifdef USABLE
  block = malloc(count);
  printf("%d\\n", malloc_usable_size(block) < count);
#else
  block = calloc(count, 1);
  printf("%d\\n", block[50]);
#endif
  free(block);
  return 0;
}`

/** Encodes and decodes pictures with a package's lodepng, and prints a digest of all bytes. */
const pictures = `
const { decode, encode } = require(process.argv[2])
const hash = require('node:crypto').createHash('sha1')
for (let width = 1; width < 500; width += 17) {
  const data = Uint8ClampedArray.from({ length: width * 300 * 4 }, (_, i) => (i * i) >> (width & 7))
  const png = encode({ width, height: 300, data })
  hash.update(png).update(decode(png).data)
}
console.log(hash.digest('hex'))`

/** Finds words and numbers in a text that is larger than the memory with the package's Oniguruma, and prints a digest of where they are. */
const matches = `
const { loadWASM, OnigScanner, OnigString } = require(process.argv[2])
const hash = require('node:crypto').createHash('sha1')
const { buffer } = Uint8Array.from(require('node:fs').readFileSync(process.argv[2] + '/release/onig.wasm'))
loadWASM(buffer).then(() => {
  let count = 0
  for (let round = 0; round < 300; round++) {
    const scanner = new OnigScanner(['\\\\bw' + round + '\\\\w*', '\\\\d+(?=;)', '(?<=x)y'])
    const text = new OnigString(Array.from({ length: 2000 }, (_, i) => 'w' + (i * round) % 997 + ' xy ' + i + ';').join(' '))
    for (let at = 0, match; count < 200000 && (match = scanner.findNextMatchSync(text, at)); count++) {
      hash.update(match.index + ' ' + match.captureIndices[0].start)
      at = match.captureIndices[0].end
    }
    scanner.dispose()
    if (round % 3) text.dispose()
  }
  console.log(count + ' matches ' + hash.digest('hex'))
})`

function instance(wasm: Uint8Array, imports: WebAssembly.Imports) {
  const module = new WebAssembly.Module(wasm as BufferSource)
  return new WebAssembly.Instance(module, imports).exports as {
    memory: WebAssembly.Memory
    malloc(size: number): number
    free(block: number): void
  }
}

export const linkTests: Test[] = [
  {
    name: 'link: a module that imports malloc',
    run: async () => {
      for (const module of ['env', 'heap', 'granary']) {
        const { wasm, report } = await link(importer(module), core())
        equal(report.imports.join(), `${module}.malloc,${module}.free`, 'provided')
        const linked = new WebAssembly.Module(wasm as BufferSource)
        equal(WebAssembly.Module.imports(linked).length, 0, 'imports that are left')
        const names = WebAssembly.Module.exports(linked).map(({ name }) => name)
        equal(names.sort().join(), '__heap_base,memory,run', 'exports')
        const { run } = new WebAssembly.Instance(linked).exports as { run(size: number): number }
        for (const size of [8, 100, 1000, 100000]) equal(run(size), size, 'result')
      }
    },
  },
  {
    name: 'link: a stripped module that exports its allocator',
    run: () => {
      const work = workFolder('link-stripped')
      const names = 'malloc free calloc realloc posix_memalign aligned_alloc malloc_usable_size'.split(' ')
      const exports = names.map((name) => `-Wl,--export=${name}`).join(' ')
      shell(`${clang} -s ${exports} ${root}/examples/link/words.c -o words.wasm`, work)
      const report = shell('npx granary link words.wasm -o linked.wasm', work)
      const node = `node ${root}/examples/wasi.mjs`
      equal(shell(`${node} linked.wasm`, work), shell(`${node} words.wasm`, work), 'output')
      return report.trim().split('\n').at(-1)
    },
  },
  {
    name: "link: error numbers are the C library's, and in errno where the module exports it or the object file is linked",
    run: () => {
      const work = workFolder('link-errno')
      writeFileSync(path.join(work, 'main.c'), failures)
      const run = (options: string, command = '') =>
        shell(`${clang} main.c ${options} -o main.wasm\n${command}\nnode ${root}/examples/wasi.mjs main.wasm`, work)
      const link = 'npx granary link main.wasm -o main.wasm'
      equal(run(`${root}/build/embed/granary.o`), '1 1 1\n', 'printed')
      equal(run('-Wl,--export=errno', `${link} | grep -x 'errno     set' >&2`), '1 1 1\n', 'printed')
      equal(run('', `${link} | grep '^errno     not set' >&2`), '1 0 1\n', 'printed')
    },
  },
  {
    name: 'link: refuses a stripped module whose calloc has no name',
    run: () => {
      const work = workFolder('link-refused')
      shell(`${clang} -s -Wl,--export=malloc,--export=free ${root}/examples/link/words.c -o words.wasm`, work)
      equal(
        shell('npx granary link words.wasm -o linked.wasm 2>&1 || echo "status $?"', work).slice(-9),
        'status 1\n',
        'end',
      )
    },
  },
  {
    name: 'link: refuses a module into whose functions binaryen inlined calloc and malloc_usable_size',
    run: () => {
      const work = workFolder('link-inlined')
      writeFileSync(path.join(work, 'main.c'), headers)
      const optimise = `node ${root}/node_modules/binaryen/bin/wasm-opt -O2 -g --all-features main.wasm -o main.wasm`
      for (const option of ['', '-DUSABLE']) {
        const said = shell(
          `${clang} ${option} main.c -o main.wasm\n${optimise}\nnpx granary link main.wasm -o linked.wasm 2>&1 || echo "status $?"`,
          work,
        )
        if (!/ reads what the old allocator keeps in front of blocks.*\nstatus 1\n$/.test(said)) throw new Error(said)
      }
    },
  },
  {
    name: 'link: refuses an object file, and a program that has granary already',
    run: () => {
      const work = workFolder('link-again')
      writeFileSync(path.join(work, 'main.c'), failures)
      const said = (options: string, output: string) =>
        shell(
          `${clang} main.c ${options} -o ${output}\nnpx granary link ${output} -o linked.wasm 2>&1 || echo "status $?"`,
          work,
        )
      equal(/^granary: this is an object file.*\nstatus 1\n$/.test(said('-c', 'main.o')), true, 'object file')
      const twice = `${said('-Wl,--export=malloc', 'main.wasm')}${shell('npx granary link linked.wasm -o again.wasm 2>&1 || true', work)}`
      equal(twice.endsWith('granary: granary is in this module already\n'), true, 'linked twice')
      equal(
        said(`${root}/build/embed/granary.o`, 'main.wasm'),
        'granary: granary is in this module already\nstatus 1\n',
        'said',
      )
    },
  },
  {
    name: 'link: refuses what is no module',
    run: () => {
      const work = workFolder('link-nothing')
      writeFileSync(path.join(work, 'text.wasm'), 'no module')
      const said = shell('npx granary link text.wasm -o linked.wasm 2>&1 || true', work)
      equal(said, 'granary: this is not a WebAssembly module that binaryen can read\n', 'said')
    },
  },
  {
    name: 'link: a stripped module whose first function is malloc, and what another tool keeps in it',
    run: async () => {
      const program =
        stripped(`(module (memory (export "memory") 1) (global (export "__heap_base") i32 (i32.const 2048))
        (func (export "malloc") (param i32) (result i32) (i32.const 4096)) (func (export "free") (param i32)))`)
      const { wasm } = await link(program, core())
      const linked = new WebAssembly.Module(wasm as BufferSource)
      const { malloc } = new WebAssembly.Instance(linked).exports as { malloc(size: number): number }
      equal(malloc(10) === 4096, false, 'whether it has its old malloc')
      equal(WebAssembly.Module.customSections(linked, 'component-type').length, 1, 'sections of another tool')
      equal(WebAssembly.Module.customSections(linked, 'name').length, 0, 'sections of names')
    },
  },
  {
    name: 'link: names stay',
    run: async () => {
      const { wasm } = await link(importer('env'), core())
      const [names] = WebAssembly.Module.customSections(new WebAssembly.Module(wasm as BufferSource), 'name')
      if (!names || names.byteLength < 100) throw new Error('there are no names')
    },
  },
  {
    name: 'link: what malloc and free seldom need stays out of them, so that engines can inline them',
    run: async () => {
      const sizes = bodies((await link(importer('env'), core())).wasm)
      for (const name of ['malloc', 'free']) {
        const size = sizes.get(`assembly/malloc/${name}`) ?? 0 // 0: it stands where it was called
        if (size > 300) throw new Error(`${name} has ${size} bytes`)
      }
    },
  },
  {
    name: 'link: refuses a module that is linked when it is loaded',
    run: async () => {
      const program = new Uint8Array([
        ...wat(`(module ${withBase} ${allocating})`),
        0,
        9,
        8,
        ...Buffer.from('dylink.0'),
      ])
      const said = await link(program, core()).then(String, (error) => error.message)
      if (!said.includes('dylink.0')) throw new Error(said)
    },
  },
  {
    name: 'link: says the index of a function without a name, its signature and what calls it',
    run: async () => {
      const program =
        stripped(`(module (import "env" "log" (func $log)) (memory 1) (global (export "__heap_base") i32 (i32.const 2048))
        (func (export "malloc") (param i32) (result i32) (i32.load (i32.const 16)))
        (func (export "free") (param i32) (i32.store (i32.const 16) (local.get 0)))
        (func $calloc (param i32 i32) (result i32) (i32.load (i32.const 16)))
        (func (export "zeros") (result i32) (call $calloc (i32.const 1) (i32.const 2))))`)
      const said = await link(program, core()).then(String, (error) => error.message)
      if (!/^function 3 uses .*NAME=3. It takes and returns i32 i32 -> i32; its callers: 4$/.test(said))
        throw new Error(said)
    },
  },
  {
    name: 'link: a heap that begins where the user says',
    run: async () => {
      const program = wat(`(module (import "env" "malloc" (func $take (param i32) (result i32)))
        (memory (export "memory") 2) (global (mut i32) (i32.const 70000)) (data (i32.const 1024) "abcd")
        (func (export "round") (param i32) (result i32) (i32.add (local.get 0) (i32.const 131072)))
        (func (export "take") (param i32) (result i32) (call $take (local.get 0))))`)
      for (const heapBase of [70000, 131072]) {
        const { wasm, report } = await link(program, core(), { heapBase })
        equal(report.heapBase, heapBase, 'reported')
        const linked = new WebAssembly.Module(wasm as BufferSource)
        const { take, memory } = new WebAssembly.Instance(linked).exports as {
          take(size: number): number
          memory: WebAssembly.Memory
        }
        new Uint8Array(memory.buffer).fill(1, 0, heapBase)
        for (const size of [8, 1000, 100000]) if (take(size) < heapBase) throw new Error(`a block at ${take(size)}`)
      }
    },
  },
  {
    name: 'link: an imported memory may be larger than the least that the module asks for',
    run: async () => {
      const program =
        wat(`(module (import "env" "memory" (memory 0)) (import "env" "malloc" (func $take (param i32) (result i32)))
        (func (export "take") (param i32) (result i32) (call $take (local.get 0))))`)
      equal((await link(program, core(), { heapBase: 1024 })).report.heapBase, 1024, 'reported')
    },
  },
  {
    name: 'link: functions that only the user knows, in a module that says nothing',
    run: () => {
      const work = workFolder('link-functions')
      writeFileSync(path.join(work, 'main.c'), headers)
      const compile = 'clang-22 --target=wasm32-wasi -O2 --no-wasm-opt main.c -o'
      shell(`${compile} named.wasm\n${compile} main.wasm -s`, work)
      const names = [...functionNames(readFileSync(path.join(work, 'named.wasm')))]
      const given = (wanted: string[]) => {
        const own = names.filter(([, name]) => wanted.includes(name))
        return `npx granary link main.wasm ${own.map(([index, name]) => `--function ${name}=${index}`).join(' ')} -o linked.wasm`
      }
      const said = (command: string) => shell(`${command} 2>&1 || echo "status $?"`, work)
      const calloc = names.find(([, name]) => name === 'calloc')?.[0]
      const command = given(['malloc', 'free', 'calloc'])
      const [, base] = /--heap-base (\d+)/.exec(said(command)) ?? []
      equal(said(given(['malloc'])).includes('--function free=INDEX'), true, 'whether free is asked for')
      const stays = said(`${given(['malloc', 'free'])} --heap-base ${base}`)
      if (!stays.includes(`--function NAME=${calloc}. It takes and returns i32 i32 -> i32`)) throw new Error(stays)
      const report = shell(`${command} --heap-base 0x${Number(base).toString(16)}`, work)
      equal(report.includes(`heap      begins at ${base}, as you said\n`), true, 'whether it is in the report')
      const node = `node ${root}/examples/wasi.mjs`
      equal(shell(`${node} main.wasm\n${node} linked.wasm`, work), '0\n0\n', 'printed')
    },
  },
  {
    name: "link: Emscripten's modules have their host grow the memory, by whatever name, and what it grows too much is the heap's",
    run: async () => {
      for (const name of ['emscripten_resize_heap', 'b']) {
        const { wasm, report } = await link(wat(emscripten(name)), core())
        equal(report.heapBase, 70000, 'where the heap begins')
        let calls = 0
        const resize = (bytes: number) => {
          calls++
          // By five pages more, up to 20.
          const more = Math.min((bytes >>> 16) + 5, 20) - (memory.buffer.byteLength >>> 16)
          return bytes >>> 16 <= 20 ? memory.grow(more) && 1 : 0
        }
        const env = { [name]: resize, other: () => 1 }
        const { memory, malloc, free } = instance(wasm, { env })
        const blocks = Array.from({ length: 20 }, () => malloc(70000))
        equal(blocks.filter((block) => block === 0).length, 3, 'requests that the memory has no room for')
        equal(calls < 8, true, 'whether it uses what it did not ask for')
        for (const block of blocks) free(block)
        equal(malloc(1100000) > 0, true, 'whether that is in one run')
      }
    },
  },
  {
    name: "link: a module that grows its memory itself tells Emscripten's JavaScript, by whatever name",
    run: async () => {
      for (const name of ['emscripten_notify_memory_growth', 'b']) {
        const program = `(module (import "env" "${name}" (func $notify (param i32))) ${withBase} (export "memory" (memory 0))
          (func $malloc (export "malloc") (param i32) (result i32)
            (call $notify (i32.const 0)) (i32.shl (memory.grow (i32.const 1)) (i32.const 16)))
          (func $free (export "free") (param i32)))`
        const { wasm } = await link(wat(program), core())
        const told: number[] = []
        const env = { [name]: (index: number) => told.push(index, memory.buffer.byteLength) }
        const { memory, malloc } = instance(wasm, { env })
        malloc(100000)
        equal(told.join(), `0,${memory.buffer.byteLength}`, 'told')
      }
    },
  },
  {
    name: 'link: functions by the names of their exports, and what others look like',
    run: async () => {
      const program = `(module ${withBase}
        (func $m (export "m") (param i32) (result i32) (i32.load (i32.const 16)))
        (func $f (export "f") (param i32) (i32.store (i32.const 16) (local.get 0)))
        (func $1 (param i32 i32) (result i32) (if (i32.load (i32.const 16)) (then (call $f (local.get 0)))) (call $m (local.get 1)))
        (func $2 (param i32 i32) (result i32) (drop (i32.load (i32.const 16))) (call $m (i32.mul (local.get 0) (local.get 1))))
        (func $3 (param i32 i32) (result i32)
          (if (i32.le_u (local.get 0) (i32.const 8)) (then (return (call $m (local.get 1))))) (i32.load (i32.const 16)))
        (func (export "run") (drop (call $1 (call $2 (i32.const 1) (i32.const 2)) (i32.const 3))))
        (func (export "align") (drop (call $3 (i32.const 64) (i32.const 2)))))`
      const functions = new Map<number | string, string>([
        ['m', 'malloc'],
        ['f', 'free'],
      ])
      for (const [index, name] of [
        [2, 'realloc'],
        [3, 'calloc'],
        [4, 'memalign'],
      ] as const) {
        const said = await refusal(program, { functions })
        if (!said.endsWith(`; function ${index} looks like ${name}`)) throw new Error(said)
        functions.set(index, name)
      }
      equal((await link(wat(program), core(), { functions })).report.replaced.length, 5, 'replaced')
    },
  },
  {
    name: "link: a program of Emscripten's, and what it prints",
    run: () => {
      const work = workFolder('link-emscripten')
      writeFileSync(path.join(work, 'main.c'), headers)
      shell(
        'export NODE_PATH=/usr/share/nodejs\nemcc -O1 -sALLOW_MEMORY_GROWTH -sEXPORTED_FUNCTIONS=_main,_malloc,_free,_calloc main.c -o main.js',
        work,
      )
      const run = () => shell('node --no-experimental-fetch main.js', work)
      equal(run(), '0\n', 'printed before')
      const report = shell('npx granary link main.wasm -o main.wasm', work)
      equal(run(), '0\n', 'printed')
      return report.trim().split('\n').at(-1)
    },
  },
  {
    name: 'link: a module from npm, which Emscripten made',
    run: () => {
      const work = workFolder('link-npm-emscripten')
      const installed = path.join(tools, 'node_modules/vscode-oniguruma')
      shell(`cp -r ${installed} before; cp -r before after`, work)
      const options = '--function realloc=220 --function calloc=222'
      const report = shell(`npx granary link before/release/onig.wasm ${options} -o after/release/onig.wasm`, work)
      writeFileSync(path.join(work, 'main.js'), matches)
      const [before, after] = ['before', 'after'].map((folder) => shell(`node main.js ./${folder}`, work))
      equal(/^\d{4,} matches [\da-f]{40}\n$/.test(before), true, `whether it printed a digest: ${before}`)
      equal(after, before, 'output')
      return report.trim().split('\n').at(-1)
    },
  },
  {
    name: 'link: a module from npm, which says nothing of its heap and exports malloc and free alone',
    run: () => {
      const work = workFolder('link-npm')
      const installed = path.join(tools, 'node_modules')
      shell(
        `cp -r ${installed}/@canvas node_modules; cp -r ${installed}/@cwasm/lodepng before; cp -r before after`,
        work,
      )
      const options = '--heap-base 76144 --function realloc=5'
      const report = shell(`npx granary link before/lodepng.wasm ${options} -o after/lodepng.wasm`, work)
      writeFileSync(path.join(work, 'main.js'), pictures)
      const [before, after] = ['before', 'after'].map((folder) => shell(`node main.js ./${folder}`, work))
      equal(/^[\da-f]{40}\n$/.test(before), true, 'whether it printed a digest')
      equal(after, before, 'output')
      return report.trim().split('\n').at(-1)
    },
  },
  {
    name: 'link: refuses two functions of one name',
    run: async () => {
      // As a static function in C that happens to be called so. No text has them.
      const [program, other] = [wat(`(module ${withBase} ${allocating} (func $frea (param i32)))`), 'frea']
      const at = Buffer.from(program).lastIndexOf(other)
      program.set(Buffer.from('free'), at)
      const said = await link(program, core()).then(
        () => 'no refusal',
        (error) => error.message,
      )
      if (!said.includes('two functions are called free')) throw new Error(said)
    },
  },
  ...Object.entries(accepted).map(([name, module]) => ({
    name: `link: ${name}`,
    run: async () => {
      equal(await refusal(module), 'no refusal', 'said')
    },
  })),
  ...Object.entries(replacements).map(([name, [module, replaced]]) => ({
    name: `link: replaces ${name}`,
    run: async () => {
      equal((await link(wat(module), core())).report.replaced.join(', '), replaced, 'replaced')
    },
  })),
  ...Object.entries(same).map(([name, [module, result]]) => ({
    name: `link: ${name}`,
    run: async () => {
      const { wasm } = await link(wat(module), core())
      const { run } = new WebAssembly.Instance(new WebAssembly.Module(wasm as BufferSource)).exports as {
        run(): number
      }
      equal(run(), result, 'result')
    },
  })),
  ...Object.entries(refusals).map(([name, [module, sentence, options]]) => ({
    name: `link: refuses ${name}`,
    run: async () => {
      const said = await refusal(module, options)
      if (!said.includes(sentence)) throw new Error(said)
      return undefined
    },
  })),
]
