// granary as the runtime under AssemblyScript's garbage collector.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import asc from 'assemblyscript/asc'
import { afterAll, describe, expect, it } from 'vitest'
import { SEED } from './core/core.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'assemblyscript-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Compiles the program with more options and returns its instance's exports. */
async function compile(name: string, options: string[]) {
  const file = path.join(folder, `${name}.wasm`)
  const program = ['tests/assemblyscript/churn.as.ts', '--config', 'tests/assemblyscript/asconfig.json']
  const { error, stderr } = await asc.main([...program, '--outFile', path.relative('.', file), ...options])
  if (error) throw new Error(`${error.message}\n${stderr}`)
  const env = { abort: () => {} }
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), { env })
  return exports as unknown as {
    memory: WebAssembly.Memory
    churn(seed: number, rounds: number): number
    keep(count: number): number
    starve(): number
    statics(): number
  }
}

const runtime = ['--runtime', './embed/assemblyscript/runtime.as']
const builtin = ['--use', 'HEAP_BASE_BUILTIN=1']

describe('under the garbage collector', async () => {
  const granary = await compile('granary', [...runtime, ...builtin])

  it('objects and blocks of all sizes keep their bytes', () => {
    expect([SEED, granary.churn(SEED, 30_000)]).toEqual([SEED, 0])
  })

  it('static data are not freed, nor is 0, and can be reallocated', () => {
    expect(granary.statics()).toBe(0)
  })

  it('a small block without anything in front is never handed out', async () => {
    const small = await compile('small', [...runtime, ...builtin, '--maximumMemory', '4'])
    expect(small.starve()).toBe(0)
  })

  it('small objects take no more memory than in TLSF', async () => {
    const own = await compile('own', [...runtime, ...builtin])
    const tlsf = await compile('tlsf', ['--runtime', 'incremental', '--use', 'HEAP_BASE_BUILTIN=1'])
    for (const { keep } of [own, tlsf]) keep(100_000)
    expect(own.memory.buffer.byteLength).toBeLessThanOrEqual(tlsf.memory.buffer.byteLength)
  })
})
