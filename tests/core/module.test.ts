// The module itself: what it brings along, what it asks for, how large it is.
import { readFileSync } from 'node:fs'
import binaryen from 'binaryen'
import { describe, expect, it } from 'vitest'
import { readSections } from '../../cli/wasm.ts'
import { bodies } from '../bodies.ts'
import { faultModulePath, modulePath } from './core.ts'

const KIB = 1024
const wasm = readFileSync(modulePath)
const module = new WebAssembly.Module(wasm)

const FAMILY = [
  ...['malloc', 'free', 'calloc', 'realloc', 'reallocarray', 'aligned_alloc', 'memalign', 'posix_memalign'],
  ...['valloc', 'pvalloc', 'free_sized', 'free_aligned_sized', 'malloc_usable_size'],
]
const SYSTEM = ['sbrk', 'brk', 'mmap', 'munmap', 'mremap', 'madvise']
const REPORTS = ['heap_verify', 'heap_stats', 'last_error', 'trap_reason', 'trap_address']

/** Ids of the sections that a module has. */
const sections = (bytes: Uint8Array) => readSections(bytes).map(({ id }) => id)

/** The module with these exports alone, as `wasm-opt -O3` leaves it. */
function optimized(names: string[]): Uint8Array {
  const program = binaryen.readBinary(wasm)
  try {
    const { BulkMemory, BulkMemoryOpt, MutableGlobals, SignExt } = binaryen.Features
    program.setFeatures(BulkMemory | BulkMemoryOpt | MutableGlobals | SignExt)
    for (const { name } of WebAssembly.Module.exports(module)) if (!names.includes(name)) program.removeExport(name)
    binaryen.setOptimizeLevel(3)
    binaryen.setShrinkLevel(0)
    program.optimize()
    program.runPasses(['strip-debug', 'strip-producers', 'strip-target-features'])
    return program.emitBinary()
  } finally {
    program.dispose()
  }
}
const sizeOf = (names: string[]) => optimized(names).length

describe('the module', () => {
  it.each([
    ['table', 4],
    ['memory of its own', 5],
    ['start function', 8],
    ['elements', 9],
    ['data', 11],
    ['data count', 12],
  ])('has no section for: %s', (_, id) => {
    expect(sections(wasm)).not.toContain(id)
    expect(sections(readFileSync(faultModulePath))).not.toContain(id)
  })

  it('has a section for its code', () => {
    expect(sections(wasm)).toContain(10)
  })

  it('imports memory and the heap’s base, nothing else', () => {
    expect(WebAssembly.Module.imports(module).sort((a, b) => a.name.localeCompare(b.name))).toEqual([
      { module: 'env', name: '__heap_base', kind: 'global' },
      { module: 'env', name: 'memory', kind: 'memory' },
    ])
    // Any memory fits, also one without pages; the global is immutable, or this would not link.
    const env = {
      memory: new WebAssembly.Memory({ initial: 0 }),
      __heap_base: new WebAssembly.Global({ value: 'i32', mutable: false }, 1024),
    }
    expect(() => new WebAssembly.Instance(module, { env })).not.toThrow()
  })

  it('imports its growth too where it is built to fail', () => {
    const names = WebAssembly.Module.imports(new WebAssembly.Module(readFileSync(faultModulePath))).map((i) => i.name)
    expect(names.sort()).toEqual(['__heap_base', 'grow', 'memory'])
  })

  it('exports the functions of its ABI, nothing else', () => {
    const exports = WebAssembly.Module.exports(module)
    expect(exports.map(({ name }) => name).sort()).toEqual([...FAMILY, ...SYSTEM, ...REPORTS].sort())
    expect(exports.every(({ kind }) => kind === 'function')).toBe(true)
  })

  it('changes nothing when it is instantiated', () => {
    const memory = new WebAssembly.Memory({ initial: 2 })
    new Uint8Array(memory.buffer).fill(0xbb)
    new WebAssembly.Instance(module, { env: { memory, __heap_base: new WebAssembly.Global({ value: 'i32' }, 16) } })
    expect(new Uint8Array(memory.buffer).every((byte) => byte === 0xbb)).toBe(true)
    expect(memory.buffer.byteLength).toBe(0x20000)
  })
})

describe('the code', () => {
  // What has been reached: it must not grow unnoticed.
  it('of malloc, free and realloc alone takes at most 9.1 KiB', () => {
    expect(sizeOf(['malloc', 'free', 'realloc'])).toBeLessThanOrEqual(9.1 * KIB)
  })

  it('of all of C’s functions takes at most 9.9 KiB', () => {
    expect(sizeOf([...FAMILY])).toBeLessThanOrEqual(9.9 * KIB)
  })

  it('of everything but verify and stats takes at most 12 KiB', () => {
    const rest = REPORTS.filter((name) => name !== 'heap_verify' && name !== 'heap_stats')
    expect(sizeOf([...FAMILY, ...SYSTEM, ...rest])).toBeLessThanOrEqual(12 * KIB)
  })

  // V8 inlines what has up to 500 bytes, and rather what has fewer.
  it('of malloc and of free is small enough to be inlined, also in a program that was optimized as a whole', () => {
    for (const bytes of [wasm, optimized(['malloc', 'free']), optimized(['malloc', 'free', 'realloc'])]) {
      expect(bodies(bytes).get('malloc')).toBeLessThanOrEqual(100)
      expect(bodies(bytes).get('free')).toBeLessThanOrEqual(160)
    }
  })

  it('is not paid for by who does not call it', () => {
    expect(sizeOf(['malloc', 'free'])).toBeLessThan(sizeOf([...FAMILY]))
    expect(sizeOf([...FAMILY])).toBeLessThan(sizeOf([...FAMILY, ...SYSTEM]))
  })
})
