// The process that measures what malloc and free of one contestant cost when JavaScript calls them: what one would teach the
// optimiser does not burden the next. Prints a line of JSON for each case; without a contestant, the names of all.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { instantiate } from '@assemblyscript/loader'
import { MemPool } from '@thi.ng/malloc'
import Benchmark from 'benchmark'
import { Random } from './synthetic.ts'

const [, , granary, glue, seconds, name] = process.argv
const require = createRequire(import.meta.url)
const PAGES = 160

/** A pair of functions that hand out and take back something of `size` bytes. */
interface Contestant<Block> {
  malloc(size: number): Block
  free(block: Block): void
}

function imports(): WebAssembly.Imports {
  const memory = new WebAssembly.Memory({ initial: PAGES })
  return { env: { memory, __heap_base: new WebAssembly.Global({ value: 'i32', mutable: false }, 0x10000) } }
}

const raw = (exports: WebAssembly.Exports) => exports as unknown as Contestant<number>

const factories: Record<string, () => Promise<Contestant<never>>> = {
  async 'granary, heap.malloc'() {
    // The host's class, as a user imports it; built by npm run build.
    const { createHeap } = await import(new URL('../../dist/index.js', import.meta.url).href)
    const heap = await createHeap()
    return { malloc: (size) => heap.malloc(size) as never, free: (block) => heap.free(block) }
  },
  async 'granary, raw export'() {
    const { malloc, free } = raw(
      new WebAssembly.Instance(new WebAssembly.Module(readFileSync(granary)), imports()).exports,
    )
    return { malloc: (size) => malloc(size) as never, free: (block) => free(block) }
  },
  async 'granary, loader’s export'() {
    const { malloc, free } = raw((await instantiate(readFileSync(granary), imports() as never)).exports as never)
    return { malloc: (size) => malloc(size) as never, free: (block) => free(block) }
  },
  async 'Emscripten’s _malloc'() {
    const program = await require(glue)({ wasmBinary: readFileSync(glue.replace(/js$/, 'wasm')) })
    return { malloc: (size) => program._malloc(size) as never, free: (block) => program._free(block) }
  },
  async '@thi.ng/malloc'() {
    const pool = new MemPool({ size: 1 << 24 })
    return { malloc: (size) => pool.malloc(size) as never, free: (block) => void pool.free(block) }
  },
  async 'new Uint8Array'() {
    return { malloc: (size) => new Uint8Array(size) as never, free: () => {} }
  },
}

const LIVE = 1000

function cases({ malloc, free }: Contestant<never>): Record<string, () => void> {
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

if (!name) console.log(JSON.stringify(Object.keys(factories)))
else
  for (const [title, work] of Object.entries(cases(await factories[name]()))) {
    const { stats } = new Benchmark(title, work, { maxTime: Number(seconds) }).run()
    console.log(JSON.stringify({ case: title, contestant: name, ns: stats.mean * 1e9, margin: stats.rme }))
  }
