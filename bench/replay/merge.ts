// Builds what is measured: an allocator and the replay driver (driver.as.ts) in one module, optimised as a whole.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../../scripts/run.mjs'
import { cached } from '../cache.ts'

const here = path.join(root, 'bench/replay')
const modules = path.join(root, 'node_modules')
const cache = path.join(root, 'build/replay')

/** Where the heap under test begins: 10 MiB, below which the driver keeps the trace and its table (driver.as.ts). */
export const HEAP_BASE = 0xa00000
const BASE_PAGES = HEAP_BASE >>> 16

// What every engine since Node 16 has; wasm-opt may use no more than this.
const FEATURES = [
  'bulk-memory',
  'bulk-memory-opt',
  'multivalue',
  'mutable-globals',
  'nontrapping-float-to-int',
  'reference-types',
  'sign-ext',
  'simd',
].map((feature) => `--enable-${feature}`)

const ASC = ['--noAssert', '--converge', '--use', 'abort=', '--enable', 'bulk-memory']

/** An allocator to replay against; the name appears in file names and messages. */
export interface Allocator {
  name: string
  wasm: Uint8Array
}

/** Compiles an AssemblyScript file of this folder. */
function compile(file: string, flags: string[], level: '-O3' | '-Oz' = '-O3'): Uint8Array {
  const source = readFileSync(path.join(here, file))
  const compiler = path.join(here, 'asc.mjs')
  const args = [file, level, ...ASC, ...flags, '-o', 'out.wasm']
  const inputs = [source, args.join(' '), readFileSync(compiler), version('assemblyscript')]
  return cached(cache, path.basename(file, '.as.ts'), inputs, (folder) => {
    writeFileSync(path.join(folder, file), source)
    runNode(compiler, folder, args)
    return readFileSync(path.join(folder, 'out.wasm'))
  })
}

/** The null allocator, whose replay time is the floor that is subtracted from everyone's. */
export function floorAllocator(): Allocator {
  return {
    name: 'floor',
    wasm: compile('null.as.ts', ['--runtime', 'stub', '--importMemory', '--noExportMemory']),
  }
}

/** AssemblyScript's TLSF runtime, the rival that needs nothing installed. */
export function tlsfAllocator(level?: '-O3' | '-Oz'): Allocator {
  return {
    name: 'tlsf',
    wasm: compile('tlsf.as.ts', ['--runtime', 'minimal', '--memoryBase', String(HEAP_BASE)], level),
  }
}

/**
 * Merges an allocator with the driver and optimises the result as one program. The allocator either imports `env.memory`
 * (and `env.__heap_base`, which the driver provides, `shift` bytes above HEAP_BASE), or exports a memory of its own with its
 * heap above HEAP_BASE.
 */
export function merge({ name, wasm }: Allocator, shift = 0): Uint8Array {
  const ownsMemory = WebAssembly.Module.exports(new WebAssembly.Module(wasm as BufferSource)).some(
    (e) => e.kind === 'memory',
  )
  const memory = ownsMemory
    ? ['--importMemory', '--noExportMemory']
    : ['--initialMemory', String(BASE_PAGES + (shift ? 1 : 0))]
  const driver = compile('driver.as.ts', ['--runtime', 'stub', '--use', `HEAP_SHIFT=${shift}`, ...memory])
  return cached(cache, `merged-${name}`, [wasm, driver, FEATURES.join(' '), version('binaryen')], (folder) => {
    writeFileSync(path.join(folder, 'allocator.wasm'), wasm)
    writeFileSync(path.join(folder, 'driver.wasm'), driver)
    const parts = ['allocator.wasm', 'env', 'driver.wasm', 'env']
    tool('wasm-merge', folder, [...parts, '--skip-export-conflicts', ...FEATURES, '-o', 'merged.wasm'])
    tool('wasm-opt', folder, ['-O3', 'merged.wasm', ...FEATURES, '-o', 'optimised.wasm'])
    return readFileSync(path.join(folder, 'optimised.wasm'))
  })
}

const counter = `
  (global $growths (mut i32) (i32.const 0))
  (export "growths" (global $growths))
  (func $grow (param $pages i32) (result i32)
    (local $before i32)
    (local.set $before (memory.grow (local.get $pages)))
    (if (i32.and (i32.ne (local.get $before) (i32.const -1)) (i32.ne (local.get $pages) (i32.const 0)))
      (then (global.set $growths (i32.add (global.get $growths) (i32.const 1)))))
    (local.get $before))`

/** A merged module that behaves the same and counts, in its global `growths`, how often its memory has grown. */
export function countGrowths(merged: Allocator): Uint8Array {
  return withGrowth('counted', merged, counter)
}

/** A merged module in which the function $grow, given as text, takes the place of every memory.grow. */
export function withGrowth(kind: string, { name, wasm }: Allocator, grow: string): Uint8Array {
  return cached(cache, `${kind}-${name}`, [wasm, grow, version('binaryen')], (folder) => {
    writeFileSync(path.join(folder, 'merged.wasm'), wasm)
    tool('wasm-dis', folder, ['merged.wasm', ...FEATURES, '-o', 'merged.wat'])
    const text = readFileSync(path.join(folder, 'merged.wat'), 'utf8')
    const changed = text.replaceAll('(memory.grow', '(call $grow').replace(/\)\s*$/, `${grow})`)
    writeFileSync(path.join(folder, 'changed.wat'), changed)
    tool('wasm-as', folder, ['changed.wat', ...FEATURES, '-o', 'changed.wasm'])
    return readFileSync(path.join(folder, 'changed.wasm'))
  })
}

function version(name: string): string {
  return JSON.parse(readFileSync(path.join(modules, name, 'package.json'), 'utf8')).version
}

function tool(name: string, cwd: string, args: string[]): void {
  runNode(path.join(modules, 'binaryen/bin', name), cwd, args)
}

function runNode(program: string, cwd: string, args: string[]): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${path.basename(program)} ${args.join(' ')}\n${stdout}${stderr}`)
}
