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
  'the allocation failed',
  'the address is not aligned as it must be',
  'the block is not within the heap',
  'the content had changed when the block was freed',
  'realloc did not keep the content',
  'calloc did not clear the block',
]

// Operations in one call of the driver's check. Some allocators take a millisecond for one, and a deadline is looked at in between.
const STEP = 8192

// So much longer is the floor's ring than the trace's peak: not even the shortest fits in a first-level cache of usual size.
export const SHORTEST_RING = 0x10000

/** Thrown by a replay that takes longer than it may. */
export class TooSlow extends Error {}

/** The allocator does something wrong, or the trace cannot be replayed. */
class Wrong extends Error {}

// biome-ignore lint/suspicious/noExplicitAny: the exports of a module are known by name only
type Exports = any

/** One fresh instance of a merged module, and the trace that it replays. */
export class Player {
  readonly exports: Exports
  readonly #score: Score
  readonly #base: number

  /** Imports are what the allocator needs besides the memory and the heap's base. */
  constructor(module: WebAssembly.Module, score: Score, imports: WebAssembly.Imports = {}) {
    const exports: Exports = new WebAssembly.Instance(module, imports).exports
    this.exports = exports
    this.#score = score
    this.#base = exports.table_start.value + 8 * exports.table_entries.value
    if (score.slots > exports.table_entries.value)
      throw new Wrong(`more than ${exports.table_entries.value} blocks are live at once`)
    const initialize = exports._initialize ?? exports.__wasm_call_ctors
    initialize?.()
    exports.reserve?.(score.peak + SHORTEST_RING, score.largest)
  }

  /** What to throw when the allocator does something wrong at an operation, or after the last one. */
  protected fault(what: string, operation?: number): Error {
    return new Wrong(operation === undefined ? what : `operation ${operation}: ${what}`)
  }

  /** Bytes of memory from the heap's base to the memory's end. */
  get heapBytes(): number {
    return this.exports.memory.buffer.byteLength - this.#base
  }

  /** Replays operations from..to-1 and returns how long it took, in the clock's nanoseconds an operation. */
  time(clock: Clock, most = Number.POSITIVE_INFINITY, from = 0, to = this.#score.operations): number {
    const { window_operations, replay } = this.exports
    let sum = 0
    for (let i = from; i < to; ) {
      const n = this.feed(i, Math.min(to - i, window_operations.value))
      const before = clock()
      const failed = replay(n)
      sum += clock() - before
      if (failed) throw this.fault(`${failed} allocations failed before operation ${i + n}`)
      if (sum > most) throw new TooSlow()
      i += n
    }
    return sum / (to - from)
  }

  /** Replays one operation that was fed before. */
  one(): void {
    this.exports.replay(1)
  }

  /** Frees what is still live, so that the trace can be replayed again. */
  drain(): void {
    this.exports.drain(this.#score.slots)
  }

  /** Replays operations from..to-1 and verifies alignment and every byte. Blocks of 16 bytes and more must be aligned to
   *  `alignment`, smaller ones to 8 or `alignment`, whichever is less. After each step, calls `after` with its first operation
   *  and how many it had. */
  check(alignment: number, after?: (from: number, n: number) => void, from = 0, to = this.#score.operations): void {
    for (let i = from; i < to; i += STEP) {
      const n = this.feed(i, Math.min(to - i, STEP))
      this.#checked(
        () => this.exports.check(n, alignment),
        (what, at) => this.fault(what, i + at),
      )
      after?.(i, n)
    }
  }

  /** Verifies and frees what is still live after `check`. Calls `after` after each step. */
  checkDrain(after?: () => void): void {
    const { slots } = this.#score
    for (let i = 0; i < slots; i += STEP) {
      this.#checked(
        () => this.exports.check_drain(Math.min(slots, i + STEP)),
        (what, at) => this.fault(`at the end, slot ${at}: ${what}`),
      )
      after?.()
    }
  }

  /** Throws what is to be thrown where the driver's check finds a fault or traps. */
  #checked(check: () => number, toThrow: (what: string, at: number) => Error): void {
    let fault: number
    try {
      fault = check() >>> 0
    } catch (error) {
      throw toThrow(`the allocator traps: ${(error as Error).message}`, this.exports.checking.value)
    }
    if (fault) throw toThrow(faults[fault & 15], fault >>> 4)
  }

  /** Copies n operations from `from` on into the driver's window. */
  feed(from: number, n: number): number {
    this.window(n).set(this.#score.words.subarray(2 * from, 2 * (from + n)))
    return n
  }

  /** The first n operations in the driver's window. */
  protected window(n: number): Uint32Array {
    const { memory, window_start } = this.exports
    return new Uint32Array(memory.buffer, window_start.value, 2 * n)
  }
}
