// What granary link must not touch: functions of the program's own that look like the allocator's.

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import binaryen from 'binaryen'
import { link } from '../../cli/link.ts'
import { equal, root, shell, type Test, workFolder } from './harness.ts'
import { clang, core, outcome, wat } from './linkHarness.ts'
import { allocating, withBase } from './linkModules.ts'

/** A program with static functions of its own whose names are those of the family, some with its signatures. */
const helpers = `
#include <stdio.h>
#include <stdlib.h>
#define OWN __attribute__((noinline)) static
struct value { int type; int count; };
OWN struct value *valloc(int type) {
  struct value *value = malloc(sizeof *value);
  value->type = type;
  value->count = 1;
  return value;
}
OWN unsigned memalign(unsigned offset, unsigned align) { return (offset + align - 1) & ~(align - 1); }
OWN int brk(const char **at) { return **at == '{' ? (*at)++, 1 : 0; }
OWN void free_sized(struct value *value, int count) { if ((value->count -= count) == 0) free(value); }
OWN void pvalloc(int count, const char *word, double number) { printf("%d %s %g\\n", count, word, number); }
int main(int count, char **words) {
  struct value *value = valloc(41 + count);
  const char *at = "{{x";
  int depth = 0;
  while (brk(&at)) depth++;
  printf("%d %d %u %d\\n", value->type, value->count, memalign(12 + count, 8 * count), depth);
  free_sized(value, count);
  pvalloc(count, "x", 1.5 * count);
}`

/** An exported malloc and free that keep the size in front, and others that know of it. */
const wrapper = `
#include <stdlib.h>
#include <string.h>
#define EXPORT(NAME) __attribute__((noinline, export_name(NAME)))
EXPORT("malloc") void *host_malloc(size_t size) {
  size_t *block = malloc(size + 8);
  *block = size;
  return block + 2;
}
EXPORT("free") void host_free(void *block) { if (block) free((size_t *)block - 2); }
EXPORT("size") size_t host_size(void *block) { return ((size_t *)block)[-2]; }
EXPORT("copy") void *host_copy(void *block) {
  void *copy = host_malloc(host_size(block));
  return memcpy(copy, block, host_size(block));
}`

/** A module whose malloc puts the size 8 bytes in front of each block; in a part of the stack, as unoptimised code does. */
const headed = (rest: string) => `(module (memory 2) (global $__heap_base i32 (i32.const 70000))
  (global $__stack_pointer (mut i32) (i32.const 70000)) (global $top (mut i32) (i32.const 70000))
  (func $take (param i32) (result i32) (local i32)
    (local.set 1 (global.get $top)) (global.set $top (i32.add (local.get 1) (local.get 0))) (local.get 1))
  (func $malloc (export "malloc") (param i32) (result i32) (local $frame i32)
    (local.set $frame (i32.sub (global.get $__stack_pointer) (i32.const 16)))
    (i32.store offset=12 (local.get $frame) (call $take (i32.add (local.get 0) (i32.const 8))))
    (i32.store (i32.load offset=12 (local.get $frame)) (local.get 0))
    (return (i32.add (i32.load offset=12 (local.get $frame)) (i32.const 8))))
  (func $free (export "free") (param i32)) ${rest})`

/** A module whose malloc moves a variable up, and another function with this body. */
const bump = (body: string) => `(module (memory (export "memory") 1)
  (global (mut i32) (i32.const 2048)) (global (export "__heap_base") i32 (i32.const 2048))
  (func (export "malloc") (param i32) (result i32) (local i32)
    (local.set 1 (global.get 0))
    (global.set 0 (i32.add (local.get 1) (i32.and (i32.add (local.get 0) (i32.const 15)) (i32.const -16))))
    (local.get 1))
  (func (export "free") (param i32))
  (func (export "other") ${body}))`

/** A module with a function that hands its second operand to malloc, and its first to nobody. */
const grow = `(module ${withBase}
  (func $malloc (export "malloc") (param i32) (result i32) (i32.load (i32.const 16)))
  (func $free (export "free") (param i32) (i32.store (i32.const 16) (local.get 0)))
  (func $grow (export "grow") (param i32 i32) (result i32)
    (i32.store (i32.const 16) (i32.mul (local.get 0) (i32.const 3))) (call $malloc (local.get 1))))`

/** Modules, and what is replaced in each, or a part of the sentence that refuses it. */
const outcomes: Record<string, [module: string, said: string, hasNames?: boolean]> = {
  'a calloc and an sbrk that only their names tell of': [
    `(module ${withBase}
      (func $sbrk (param i32) (result i32) (i32.shl (memory.grow (local.get 0)) (i32.const 16)))
      (func $malloc (param i32) (result i32) (i32.load (i32.const 16)))
      (func $free (param i32) (i32.store (i32.const 16) (local.get 0)))
      (func $calloc (param i32 i32) (result i32) (call $malloc (i32.mul (local.get 0) (local.get 1))))
      (func $realloc (param i32 i32) (result i32) (i32.load (i32.const 16)))
      (func $aligned_alloc (param i32 i32) (result i32) (i32.const 0)))`,
    'sbrk, malloc, free, calloc, realloc',
  ],
  'not a function of the family that is only named so, with another signature': [
    `(module ${withBase} ${allocating} (func $calloc (param f64)) (func $brk (param i32 i32)))`,
    'malloc, free',
  ],
  'two functions that are called malloc, by an export and by a name, and have nothing to do with each other': [
    `(module ${withBase} (func $free (param i32)) (func $malloc (param i32) (result i32) (i32.const 4096))
      (func $take (export "malloc") (param i32) (result i32) (i32.const 8192)))`,
    'two functions are called malloc',
  ],
  'refuses a function that reads the size which malloc puts in front, plain': [
    headed(
      '(func $length (export "length") (param i32) (result i32) (i32.load (i32.sub (local.get 0) (i32.const 8))))',
    ),
    'function length reads what the old allocator keeps in front of blocks',
  ],
  'refuses a function that reads the size in front of a block that it has from malloc': [
    headed(`(func $fresh (export "fresh") (result i32)
      (i32.load (i32.sub (call $malloc (i32.const 9)) (i32.const 8))))`),
    'function fresh reads what the old allocator keeps in front of blocks',
  ],
  "words of the program's own where malloc writes words with flags": [
    headed('(func (export "kind") (param i32) (result i32) (i32.load (i32.sub (local.get 0) (i32.const 8))))').replace(
      '(i32.store (i32.load offset=12 (local.get $frame)) (local.get 0))',
      '(i32.store (i32.load offset=12 (local.get $frame)) (i32.or (local.get 0) (i32.const 3)))',
    ),
    'malloc, free',
  ],
  'words in front of which malloc wrote something else, and what is in front of the next in an array': [
    headed(`(func $kind (export "kind") (param i32) (result i32) (i32.load (i32.sub (local.get 0) (i32.const 4))))
      (func $sum (export "sum") (param $at i32) (param $end i32) (result i32) (local $sum i32)
        (loop $next
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (local.set $sum (i32.add (local.get $sum) (i32.load (i32.sub (local.get $at) (i32.const 8)))))
          (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
        (local.get $sum))`),
    'malloc, free',
  ],
  'refuses a function that hands the state of the allocator to a function of it': [
    `(module ${withBase}
      (func $take (param $heap i32) (param i32) (result i32) (i32.store (local.get $heap) (local.get 1)) (i32.const 4096))
      (func $put (param $heap i32) (param i32) (call $give (i32.add (local.get $heap) (i32.const 8)) (local.get 1)))
      (func $give (param $bin i32) (param i32) (i32.store (local.get $bin) (local.get 1)))
      (func $malloc (export "malloc") (param i32) (result i32) (call $take (i32.const 1040) (i32.add (local.get 0) (i32.const 8))))
      (func $free (export "free") (param i32) (call $put (i32.const 1040) (i32.sub (local.get 0) (i32.const 8))))
      (func $report (export "report") (result i32) (call $take (i32.const 1040) (i32.const 100))))`,
    'function report uses the old allocator directly',
  ],
  'a function that fails with the same message as the allocator does': [
    `(module (import "env" "log" (func $log (param i32))) ${withBase}
      (func $fail (param i32) (call $log (i32.load8_u (local.get 0))) (unreachable))
      (func $malloc (export "malloc") (param i32) (result i32) (if (local.get 0) (then (call $fail (i32.const 1040)))) (i32.const 0))
      (func $free (export "free") (param i32) (if (local.get 0) (then (call $fail (i32.const 1040)))))
      (func $check (export "check") (param i32) (if (local.get 0) (then (call $fail (i32.const 1040))))))`,
    'malloc, free',
  ],
  'refuses a function that takes memory as a malloc does which moves a variable up, in a module without names': [
    bump('(global.set 0 (i32.add (global.get 0) (i32.const 8)))'),
    'function 2 uses the old allocator directly',
    false,
  ],
  'in a module without names, a stack pointer, which malloc moves too': [
    bump('(global.set 0 (i32.and (i32.sub (global.get 0) (i32.const 24)) (i32.const -16)))'),
    'malloc (function 0), free (function 1)',
    false,
  ],
  'refuses a function that uses the old allocator and is exported by a name with quotation marks': [
    `(module ${withBase} (func $malloc (export "malloc") (param i32) (result i32) (i32.load (i32.const 16)))
      (func $free (export "free") (param i32) (i32.store (i32.const 16) (local.get 0)))
      (func $say (export "say \\"hi\\"") (i32.store (i32.const 16) (i32.const 0))))`,
    'function say uses the old allocator directly',
  ],
}

export const safetyTests: Test[] = [
  {
    name: "link: static functions of the program's own that have names of the family",
    run: () => {
      const work = workFolder('link-helpers')
      writeFileSync(path.join(work, 'main.c'), helpers)
      const run = (file: string) => shell(`node ${root}/examples/wasi.mjs ${file}`, work)
      const report = shell(`${clang} -w main.c -o main.wasm\nnpx granary link main.wasm -o linked.wasm`, work)
      equal(run('main.wasm'), '42 1 16 2\n1 x 1.5\n', 'printed before')
      equal(run('linked.wasm'), run('main.wasm'), 'printed')
      const own = /^replaced {2}.*\b(?:valloc|memalign|brk|free_sized)$/m.exec(report.replaceAll('sbrk', ''))
      equal(own, null, 'what is replaced and must not be')
    },
  },
  {
    name: "link: an exported malloc that wraps the C library's",
    run: async () => {
      const work = workFolder('link-wrapper')
      writeFileSync(path.join(work, 'main.c'), wrapper)
      shell(`${clang} -mexec-model=reactor main.c -o main.wasm\nnpx granary link main.wasm -o linked.wasm`, work)
      const linked = new WebAssembly.Module(readFileSync(path.join(work, 'linked.wasm')))
      const exports = new WebAssembly.Instance(linked).exports as {
        memory: WebAssembly.Memory
        malloc(size: number): number
        free(block: number): void
        size(block: number): number
        copy(block: number): number
      }
      const block = exports.malloc(100)
      new Uint8Array(exports.memory.buffer).fill(7, block, block + 100)
      const copy = exports.copy(block)
      equal(exports.size(copy), 100, 'size')
      equal(new Uint8Array(exports.memory.buffer)[copy + 99], 7, 'copied')
      exports.free(block)
      exports.free(copy)
    },
  },
  {
    name: 'link: says of no function that it looks like memalign or calloc which neither aligns nor multiplies both',
    run: async () => {
      const said = await outcome(wat(grow))
      if (!said.includes('function grow uses') || said.includes('looks like')) throw new Error(said)
    },
  },
  {
    name: "link: sets errno where Emscripten's function says that it is",
    run: async () => {
      const module = `(module (memory (export "memory") 1) (global (export "__heap_base") i32 (i32.const 2048)) ${allocating}
        (func (export "__errno_location") (result i32) (i32.const 1040)) (export "malloc" (func $malloc)))`
      const { wasm, report } = await link(wat(module), core())
      equal(report.errno, true, 'whether errno is set')
      const linked = new WebAssembly.Instance(new WebAssembly.Module(wasm as BufferSource))
      const { memory, malloc } = linked.exports as { memory: WebAssembly.Memory; malloc(size: number): number }
      equal(malloc(-1), 0, 'block')
      equal(new Uint32Array(memory.buffer)[1040 / 4] > 0, true, 'whether errno has a value')
    },
  },
  {
    name: "link: imports by Emscripten's names",
    run: async () => {
      const { report } = await link(
        wat(`(module (import "env" "_malloc" (func (param i32) (result i32))) (import "env" "_free" (func (param i32)))
          ${withBase})`),
        core(),
      )
      equal(report.imports.join(), 'env._malloc,env._free', 'provided')
    },
  },
  {
    name: 'link: hints for code that is no longer so go',
    run: async () => {
      const parsed = binaryen.parseText(`(module ${withBase} ${allocating})`)
      binaryen.setDebugInfo(true)
      parsed.addCustomSection('metadata.code.branch_hint', Uint8Array.of(0))
      const linked = new WebAssembly.Module((await link(parsed.emitBinary(), core())).wasm as BufferSource)
      equal(WebAssembly.Module.customSections(linked, 'metadata.code.branch_hint').length, 0, 'sections of hints')
    },
  },
  ...Object.entries(outcomes).map(([name, [module, said, hasNames]]) => ({
    name: `link: ${name}`,
    run: async () => {
      const actual = await outcome(wat(module, hasNames))
      if (!actual.includes(said)) throw new Error(actual)
    },
  })),
]
