// The process that measures what malloc and free of one contestant cost when JavaScript calls them: what one would teach the
// optimiser does not burden the next. Prints a line of JSON for each case; without a contestant, the names of all.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { instantiate } from '@assemblyscript/loader'
import { MemPool } from '@thi.ng/malloc'
import { Benchmark } from '../js/benchmark.ts'
import { Random } from './synthetic.ts'

const [, , granary, glue, seconds, name] = process.argv
const require = createRequire(import.meta.url)
const PAGES = 160

/** A pair of functions that hand out and take back something of `size` bytes. */
interface Contestant<Block> {
  malloc(size: number): Block
  free(block: Block): void
  /** Hands out blocks of all these sizes and takes them back. */
  many?(sizes: Uint32Array): void
}

function imports(): WebAssembly.Imports {
  const memory = new WebAssembly.Memory({ initial: PAGES })
  return { env: { memory, __heap_base: new WebAssembly.Global({ value: 'i32', mutable: false }, 0x10000) } }
}

const raw = (exports: WebAssembly.Exports) => exports as unknown as Contestant<number>

/** The host's class, as a user imports it; built by npm run build. */
async function hostHeap() {
  const { createHeap } = await import(new URL('../../dist/index.js', import.meta.url).href)
  return createHeap()
}

// Addresses from 2 GiB on come out of the exports negative: whoever calls them has to write `>>> 0`.
function unsigned({ malloc, free }: Contestant<number>): Contestant<never> {
  return { malloc: (size) => (malloc(size) >>> 0) as never, free: (block) => free(block) }
}

const factories: Record<string, () => Promise<Contestant<never>>> = {
  async 'granary, heap.malloc'() {
    const heap = await hostHeap()
    return { malloc: (size) => heap.malloc(size) as never, free: (block) => heap.free(block) }
  },
  async 'granary, heap.mallocMany'() {
    const heap = await hostHeap()
    return {
      malloc: (size) => heap.malloc(size) as never,
      free: (block) => heap.free(block),
      many: (sizes) => heap.freeMany(heap.mallocMany(sizes)),
    }
  },
  async 'granary, raw export'() {
    const module = new WebAssembly.Module(readFileSync(granary))
    return unsigned(raw(new WebAssembly.Instance(module, imports()).exports))
  },
  async 'granary, loader’s export'() {
    return unsigned(raw((await instantiate(readFileSync(granary), imports() as never)).exports as never))
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

function cases({ malloc, free, many }: Contestant<never>): Record<string, () => void> {
  const sizes = new Uint32Array(LIVE).fill(32)
  const blocks = new Array<never>(LIVE)
  const batch = '1,000 blocks of 32 B allocated, then freed'
  if (many) return { [batch]: () => many(sizes) }
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
    [batch]() {
      for (let i = 0; i < LIVE; i++) blocks[i] = malloc(sizes[i])
      for (let i = 0; i < LIVE; i++) free(blocks[i])
    },
  }
}

if (!name) console.log(JSON.stringify(Object.keys(factories)))
else
  for (const [title, work] of Object.entries(cases(await factories[name]()))) {
    const { stats } = new Benchmark(title, work, { maxTime: Number(seconds) }).run()
    console.log(JSON.stringify({ case: title, contestant: name, ns: stats.mean * 1e9, margin: stats.rme }))
  }
