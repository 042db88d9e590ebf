// Replays a trace in a merged module. It imports nothing and takes the clock from outside, so that the same code runs in
// every engine: Node, SpiderMonkey's shell, a browser page.

/** What a replay needs of a trace. */
export interface Score {
  /** Two words an operation (docs/traces.md). */
  words: Uint32Array
  operations: number
  slots: number
  peak: number
  largest: number
}

/** A clock, in nanoseconds. */
export type Clock = () => number

// As in driver.as.ts.
const faults = [
  '',
  'an allocation fails',
  'an address is not aligned as it must be',
  'a block is not within the heap',
  'the content of a block has changed when it is freed',
  'realloc does not keep the content',
  'calloc does not clear the block',
]

// How many operations are checked before the next look at the clock: some allocators take a millisecond for one.
const STEP = 8192

// The floor's ring is as long as the trace's peak, but never so short that all of it stays in the first-level cache.
const SHORTEST_RING = 0x10000

/** Operations that take long enough to be timed. */
const ENOUGH = 50_000

/** How many warm replays a trace needs to be told from the clock's steps. */
export function warmRounds({ operations }: { operations: number }): number {
  return Math.min(50, Math.max(1, Math.round(ENOUGH / operations)))
}

/** Thrown by a replay that takes longer than it may. */
export class TooSlow extends Error {}

/** The allocator does something wrong. */
class Wrong extends Error {}

// biome-ignore lint/suspicious/noExplicitAny: the exports of a module are known by name only
type Exports = any

/** One fresh instance of a merged module, and the trace that it replays. */
export class Player {
  readonly #score: Score
  readonly #exports: Exports
  readonly #base: number
  readonly #window: number

  constructor(module: WebAssembly.Module, score: Score) {
    const exports: Exports = new WebAssembly.Instance(module, {}).exports
    this.#score = score
    this.#exports = exports
    this.#base = exports.table_start.value + 8 * exports.table_entries.value
    this.#window = exports.window_operations.value
    if (score.slots > exports.table_entries.value)
      throw new Wrong(`more than ${exports.table_entries.value} blocks are live at once`)
    const initialize = exports._initialize ?? exports.__wasm_call_ctors
    initialize?.()
    exports.reserve?.(score.peak + SHORTEST_RING, score.largest)
  }

  /** What the merged module exports besides the driver's functions, for measurements of other kinds. */
  get exports(): Exports {
    return this.#exports
  }

  /** Bytes of memory from the heap's base to the memory's end. */
  get heapBytes(): number {
    return this.#exports.memory.buffer.byteLength - this.#base
  }

  /** Replays operations from..to-1 and returns how long it took, in the clock's nanoseconds an operation. */
  time(clock: Clock, most = Number.POSITIVE_INFINITY, from = 0, to = this.#score.operations): number {
    let sum = 0
    for (let i = from; i < to; ) {
      const n = this.feed(i, Math.min(to - i, this.#window))
      const before = clock()
      const failed = this.#exports.replay(n)
      sum += clock() - before
      if (failed) throw new Wrong(`${failed} allocations fail before operation ${i + n}`)
      if (sum > most) throw new TooSlow()
      i += n
    }
    return sum / (to - from)
  }

  /** Replays one operation that was fed before. */
  one(): void {
    this.#exports.replay(1)
  }

  /** Frees what is still live, so that the trace can be replayed again. */
  drain(): void {
    this.#exports.drain(this.#score.slots)
  }

  /** Replays the trace, verifies alignment and every byte of every block, and frees what is live at the end. */
  check(alignment: number, clock: Clock, most: number): void {
    const { operations, slots } = this.#score
    const start = clock()
    const inTime = () => {
      if (clock() - start > most) throw new TooSlow()
    }
    for (let i = 0; i < operations; i += STEP) {
      const fault = this.#exports.check(this.feed(i, Math.min(operations - i, STEP)), alignment) >>> 0
      if (fault) throw new Wrong(`operation ${i + (fault >>> 4)}: ${faults[fault & 15]}`)
      inTime()
    }
    for (let i = 0; i < slots; i += STEP) {
      const fault = this.#exports.check_drain(Math.min(slots, i + STEP)) >>> 0
      if (fault) throw new Wrong(`at the end, slot ${fault >>> 4}: ${faults[fault & 15]}`)
      inTime()
    }
  }

  /** Copies n operations from `from` on into the driver's window. */
  feed(from: number, n: number): number {
    const { memory, window_start } = this.#exports
    new Uint32Array(memory.buffer, window_start.value, 2 * n).set(this.#score.words.subarray(2 * from, 2 * (from + n)))
    return n
  }
}

/** Cold and warm times of each repetition, or why there are none. */
export interface Turns {
  name: string
  fault?: string
  cold: number[]
  warm: number[]
}

/** Replays the trace in all modules, taking turns. */
export function playInTurns(
  modules: { name: string; module: WebAssembly.Module }[],
  score: Score,
  repetitions: number,
  clock: Clock,
  most: number,
): Turns[] {
  const results: Turns[] = modules.map(({ name }) => ({ name, cold: [], warm: [] }))
  for (let repetition = 0; repetition < repetitions; repetition++)
    for (let i = 0; i < modules.length; i++) {
      const at = (i + repetition) % modules.length
      const result = results[at]
      if (result.fault) continue
      try {
        const player = new Player(modules[at].module, score)
        result.cold.push(player.time(clock, most))
        player.drain()
        result.warm.push(player.time(clock, most))
      } catch (error) {
        result.fault = error instanceof TooSlow ? 'not done in time' : String(error)
      }
    }
  return results
}
