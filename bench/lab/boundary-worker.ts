// The process that measures what malloc and free cost when JavaScript calls them; prints a line of JSON for each case.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { instantiate } from '@assemblyscript/loader'
import { MemPool } from '@thi.ng/malloc'
import Benchmark from 'benchmark'
import { Random } from './synthetic.ts'

const [, , granary, glue, seconds] = process.argv
const require = createRequire(import.meta.url)
const PAGES = 160

/** A pair of functions that hand out and take back something of `size` bytes. */
interface Contestant<Block = unknown> {
  name: string
  malloc(size: number): Block
  free(block: Block): void
}

function imports(): WebAssembly.Imports {
  const memory = new WebAssembly.Memory({ initial: PAGES })
  return { env: { memory, __heap_base: new WebAssembly.Global({ value: 'i32', mutable: false }, 0x10000) } }
}

async function contestants(): Promise<Contestant[]> {
  const bytes = readFileSync(granary)
  const raw = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports())
    .exports as unknown as Contestant<number>
  const loaded = (await instantiate(bytes, imports() as never)).exports as unknown as Contestant<number>
  // @ts-expect-error: built by npm run build
  const { Heap } = await import('../../dist/index.js')
  const heap = await Heap.create()
  const pool = new MemPool({ size: 1 << 24 })
  const emscripten = await require(glue)({ wasmBinary: readFileSync(glue.replace(/js$/, 'wasm')) })
  const list: Contestant<never>[] = [
    { name: 'granary, heap.malloc', malloc: (size) => heap.malloc(size) as never, free: (block) => heap.free(block) },
    { name: 'granary, raw export', malloc: (size) => raw.malloc(size) as never, free: (block) => raw.free(block) },
    {
      name: 'granary, loader’s export',
      malloc: (size) => loaded.malloc(size) as never,
      free: (block) => loaded.free(block),
    },
    {
      name: 'Emscripten’s _malloc',
      malloc: (size) => emscripten._malloc(size) as never,
      free: (block) => emscripten._free(block),
    },
    { name: '@thi.ng/malloc', malloc: (size) => pool.malloc(size) as never, free: (block) => void pool.free(block) },
    { name: 'new Uint8Array', malloc: (size) => new Uint8Array(size) as never, free: () => {} },
  ]
  return list as Contestant[]
}

const LIVE = 1000

function cases({ malloc, free }: Contestant): Record<string, () => void> {
  const random = new Random('boundary')
  const live = Array.from({ length: LIVE }, () => malloc(32))
  const order = Array.from({ length: 4096 }, () => random.between(0, LIVE - 1))
  let turn = 0
  return {
    'a pair of 32 B': () => free(malloc(32)),
    'one of 1,000 blocks of 32 B replaced at random': () => {
      const at = order[turn++ & 4095]
      free(live[at])
      live[at] = malloc(32)
    },
  }
}

for (const contestant of await contestants())
  for (const [name, work] of Object.entries(cases(contestant))) {
    const { stats } = new Benchmark(name, work, { maxTime: Number(seconds) }).run()
    console.log(JSON.stringify({ case: name, contestant: contestant.name, ns: stats.mean * 1e9, margin: stats.rme }))
  }
