// granary link: what it links runs as before, and what it cannot link it refuses in words.

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import binaryen from 'binaryen'
import { link } from '../../cli/link.ts'
import { functionNames } from '../../cli/sections.ts'
import { bodies } from '../bodies.ts'
import { equal, root, shell, type Test, tools, workFolder } from './harness.ts'
import { clang, core, outcome, wat } from './linkHarness.ts'
import { accepted, allocating, emscripten, refusals, replacements, same, withBase } from './linkModules.ts'
import { safetyTests } from './linkSafety.ts'

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

/** The module without its names, and with a section of another tool. */
function stripped(module: string): Uint8Array {
  const parsed = binaryen.parseText(module)
  binaryen.setDebugInfo(false)
  parsed.addCustomSection('component-type', new TextEncoder().encode('types'))
  return parsed.emitBinary()
}

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
      writeFileSync(path.join(work, 'component.wasm'), '\0asm\x0d\0\x01\0')
      writeFileSync(path.join(work, 'newer.wasm'), '\0asm\x01\0\0\0\x01\x02\x01\x01') // a type of no known form
      const said = (program: string) => shell(`npx granary link ${program}.wasm -o linked.wasm 2>&1 || true`, work)
      equal(said('text'), 'granary: this is not a WebAssembly module that binaryen can read\n', 'said')
      equal(said('newer').startsWith('granary: binaryen cannot read this module: '), true, 'whether it says why')
      equal(shell('npx granary link . -o linked.wasm 2>&1 || true', work), 'granary: . is a directory\n', 'said')
      equal(said('component').startsWith('granary: this is a component: '), true, 'whether it says what it is')
    },
  },
  {
    name: 'link: says what is wrong with a command line, then the usage; and its version',
    run: () => {
      const work = workFolder('link-usage')
      const wrong = {
        '': 'no command is given',
        frob: 'no command is called frob',
        link: 'no module is given',
        'link a': '-o is missing',
        'link a b -o c': '2 modules are given',
        'link a -o b --frob': "Unknown option '--frob'",
        'link a -o b --heap-base -5': "Option '--heap-base' argument is ambiguous",
        'link a -o b --heap-base end': '--heap-base takes a number, not end',
        'link a -o b --heap-base 4294770689': '--heap-base 4294770689 is where no heap can begin',
        'link a -o b --function realloc=2 --function calloc=2':
          '--function says of 2 that it is realloc, and that it is calloc',
        'link a -o b --function malloc': '--function takes NAME=INDEX or NAME=EXPORT, not malloc',
      }
      for (const [words, sentence] of Object.entries(wrong)) {
        const said = shell(`npx granary ${words} 2>&1 || echo "status $?"`, work)
        equal(said.slice(0, said.indexOf('usage: ')), `granary: ${sentence}\n\n`, words)
        equal(said.endsWith('\nstatus 2\n'), true, `whether the status is 2: ${words}`)
      }
      const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
      equal(shell('npx granary --version', work), `${version}\n`, 'printed')
    },
  },
  {
    name: 'link: a stripped module whose first function is malloc, and what another tool keeps in it',
    run: async () => {
      const program =
        stripped(`(module (memory (export "memory") 1) (global (export "__heap_base") i32 (i32.const 2048))
        (func (export "malloc") (param i32) (result i32) (i32.const 4096)) (func (export "free") (param i32)))`)
      const { wasm, report } = await link(program, core())
      const linked = new WebAssembly.Module(wasm as BufferSource)
      const { malloc } = new WebAssembly.Instance(linked).exports as { malloc(size: number): number }
      equal(malloc(10) === 4096, false, 'whether it has its old malloc')
      equal(WebAssembly.Module.customSections(linked, 'component-type').length, 1, 'sections of another tool')
      equal(WebAssembly.Module.customSections(linked, 'name').length, 0, 'sections of names')
      // Not with the other tool's section twice.
      if (report.optimised > report.before + 9)
        throw new Error(`${report.optimised} bytes optimised, ${report.before} before`)
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
      const said = await outcome(program)
      if (!said.includes('dylink.0')) throw new Error(said)
    },
  },
  {
    name: 'link: refuses a module whose end is missing',
    run: async () => {
      const program = wat(`(module ${withBase} ${allocating})`).subarray(0, -3)
      const said = await outcome(program)
      if (!said.includes('it is damaged')) throw new Error(said)
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
      const said = await outcome(program)
      if (
        !/^function 3 uses .*NAME=3. It takes and returns i32 i32 -> i32, as C\+\+'s aligned operator new does too, which is none of them; its callers: 4$/.test(
          said,
        )
      )
        throw new Error(said)
    },
  },
  {
    name: 'link: says of a module without names how to keep them',
    run: async () => {
      const said = await outcome(stripped(`(module ${withBase})`))
      if (!/its names were stripped .*--no-wasm-opt/.test(said)) throw new Error(said)
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
    name: 'link: a host that the old allocator calls before it gives up hears nothing of growth',
    run: async () => {
      const program = `(module (import "env" "exit" (func $exit (param i32))) ${withBase} (export "memory" (memory 0))
        (func $malloc (export "malloc") (param i32) (result i32) (local i32)
          (local.set 1 (memory.grow (i32.const 1)))
          (if (i32.eq (local.get 1) (i32.const -1)) (then (call $exit (i32.const 0)) (unreachable)))
          (i32.shl (local.get 1) (i32.const 16)))
        (func $free (export "free") (param i32)))`
      const { wasm } = await link(wat(program), core())
      const exit = () => {
        throw new Error('the host is called')
      }
      equal(instance(wasm, { env: { exit } }).malloc(100000) > 0, true, 'whether it allocates')
    },
  },
  {
    name: "link: a program's imports from modules of any name stay",
    run: async () => {
      const program = `(module (import "program" "tick" (func $tick (result i32)))
        (import "granary" "granary.calloc" (func $other (result i32))) ${withBase} ${allocating}
        (func (export "tick") (result i32) (call $tick)) (func (export "run") (result i32) (call $other)))`
      const imports = WebAssembly.Module.imports(
        new WebAssembly.Module((await link(wat(program), core())).wasm as BufferSource),
      )
      equal(
        imports.map(({ module, name }) => `${module} ${name}`).join(),
        'program tick,granary granary.calloc',
        'imports',
      )
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
        const said = await outcome(wat(program), { functions })
        if (!said.endsWith(`; function ${index} looks like ${name}`)) throw new Error(said)
        functions.set(index, name)
      }
      equal((await link(wat(program), core(), { functions })).report.replaced.length, 5, 'replaced')
      functions.set(1, 'realloc')
      equal(await outcome(wat(program), { functions }), 'function f is said to be free, and to be realloc', 'said')
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
      const said = await outcome(program)
      if (!said.includes('two functions are called free')) throw new Error(said)
    },
  },
  ...Object.entries(accepted).map(([name, module]) => ({
    name: `link: ${name}`,
    run: async () => {
      await link(wat(module), core())
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
      const said = await outcome(wat(module), options)
      if (!said.includes(sentence)) throw new Error(said)
      return undefined
    },
  })),
  ...safetyTests,
]
