// granary link: what it links runs as before, and what it cannot link it refuses in words.

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import binaryen from 'binaryen'
import { LinkError, link } from '../../cli/link.ts'
import { equal, root, shell, type Test, workFolder } from './harness.ts'

const core = () => readFileSync(path.join(root, 'build/embed/granary.wasm'))
const wat = (text: string) => {
  const module = binaryen.parseText(text)
  module.setFeatures(binaryen.Features.Atomics | binaryen.Features.Memory64 | binaryen.Features.MutableGlobals)
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

/** Modules that must be refused, and a part of the sentence that says why. */
const refusals: Record<string, [module: string, sentence: string]> = {
  'no malloc': [`(module ${withBase})`, 'neither imports malloc'],
  'no __heap_base': [`(module (memory 1) ${allocating})`, '--export=__heap_base'],
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
  "Emscripten's module": [
    `(module (import "env" "emscripten_resize_heap" (func (param i32) (result i32))) ${withBase} ${allocating})`,
    'granary-emscripten.o',
  ],
  'an inlined free': [
    `(module ${withBase}
      (func $malloc (export "malloc") (param i32) (result i32) (i32.store (i32.const 16) (i32.const 1)) (i32.const 0))
      (func $free (export "free") (param i32) (i32.store (i32.const 16) (local.get 0)))
      (func $forget (export "forget") (param i32) (i32.store (i32.const 16) (local.get 0))))`,
    'function forget uses the old allocator',
  ],
}

async function refusal(module: string): Promise<string> {
  try {
    await link(wat(module), core())
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
    name: 'link: refuses what is no module',
    run: () => {
      const work = workFolder('link-nothing')
      writeFileSync(path.join(work, 'text.wasm'), 'no module')
      const said = shell('npx granary link text.wasm -o linked.wasm 2>&1 || true', work)
      equal(said, 'granary: this is not a WebAssembly module that binaryen can read\n', 'said')
    },
  },
  ...Object.entries(refusals).map(([name, [module, sentence]]) => ({
    name: `link: refuses ${name}`,
    run: async () => {
      const said = await refusal(module)
      if (!said.includes(sentence)) throw new Error(said)
      return undefined
    },
  })),
]
