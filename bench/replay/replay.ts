// Replays a trace in a module made by merge.ts: timed, or with every byte of every block verified.
import { describe, Kind, kindOf, type Trace, TraceError } from '../trace.ts'
import { HEAP_BASE } from './merge.ts'

interface DriverExports {
  memory: WebAssembly.Memory
  window_start: WebAssembly.Global
  window_operations: WebAssembly.Global
  table_start: WebAssembly.Global
  replay(operations: number): number
  drain(slots: number): void
  check(operations: number, alignment: number): number
  check_drain(slots: number): number
  /** Only of modules made by countGrowths. */
  growths?: WebAssembly.Global
  /** Only of the floor. */
  reserve?(peak: number, largest: number): void
  /** What the tools of C have run before a module's first call. */
  _initialize?(): void
  __wasm_call_ctors?(): void
}

/** The allocator under test did something wrong; the message says at which operation. */
export class ReplayError extends Error {
  override name = 'ReplayError'
}

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

// The floor's ring is as long as the trace's peak, but never so short that all of it stays in the first-level cache.
const SHORTEST_RING = 0x10000

// The floor's ring is followed by room for one block that begins near its end: so much is there for both.
const MOST_BYTES = 0xffff0000 - HEAP_BASE - SHORTEST_RING

// As in driver.as.ts.
const TABLE_ENTRIES = 0x100000

/** Throws a TraceError if the trace is too large to be replayed, whatever the allocator. */
export function assertReplayable({ name, slots, peak, largest }: Trace): void {
  if (slots > TABLE_ENTRIES)
    throw new TraceError(`${name}: it has ${slots} slots, but a replay has room for ${TABLE_ENTRIES}`)
  if (peak + largest > MOST_BYTES)
    throw new TraceError(
      `${name}: ${peak} live bytes at the peak and a largest request of ${largest} are together more than the ${MOST_BYTES} that a replay has room for`,
    )
}

/** One fresh instance of a merged module, and the trace that it replays. */
export class Replay {
  readonly #trace: Trace
  readonly #exports: DriverExports

  /** Imports are what the allocator needs besides the memory and the heap's base. */
  constructor(module: WebAssembly.Module, trace: Trace, imports: WebAssembly.Imports = {}) {
    assertReplayable(trace)
    const exports = new WebAssembly.Instance(module, imports).exports as unknown as DriverExports
    const initialize = exports._initialize ?? exports.__wasm_call_ctors
    initialize?.()
    exports.reserve?.(trace.peak + SHORTEST_RING, trace.largest)
    this.#trace = trace
    this.#exports = exports
  }

  /** Bytes of memory from the heap's base to the memory's end. */
  get heapBytes(): number {
    return this.#exports.memory.buffer.byteLength - HEAP_BASE
  }

  /** How often the memory has grown; only in a module made by countGrowths. */
  get growths(): number {
    if (!this.#exports.growths) throw new Error('this module does not count its growths')
    return this.#exports.growths.value
  }

  /** Replays operations from..to-1 and returns the CPU time that the process took, in nanoseconds an operation. */
  time(from = 0, to = this.#trace.operations): number {
    let microseconds = 0
    for (let i = from; i < to; ) {
      const n = this.#feed(i, to)
      const before = process.cpuUsage()
      const failed = this.#exports.replay(n)
      const { user, system } = process.cpuUsage(before)
      if (failed) throw new ReplayError(`${this.#trace.name}: ${failed} allocations failed before operation ${i + n}`)
      microseconds += user + system
      i += n
    }
    return (microseconds * 1000) / (to - from)
  }

  /** Frees what is still live, so that the trace can be replayed again. */
  drain(): void {
    this.#exports.drain(this.#trace.slots)
  }

  /** Replays operations from..to-1 and verifies alignment and every byte. Blocks of 16 bytes and more must be aligned to
   *  `alignment`, smaller ones to 8 or `alignment`, whichever is less. Throws a ReplayError at the first fault. Calls
   *  `seen` with the place of each block that was handed out. */
  check(
    alignment: number,
    from = 0,
    to = this.#trace.operations,
    seen?: (address: number, size: number) => void,
  ): void {
    const { words } = this.#trace
    for (let i = from; i < to; ) {
      const n = this.#feed(i, to)
      const fault = this.#exports.check(n, alignment) >>> 0
      if (fault)
        throw new ReplayError(`${this.#trace.name}: ${describe(this.#trace, i + (fault >>> 4))}: ${faults[fault & 15]}`)
      if (seen) {
        const window = this.#window(n)
        for (let k = 0; k < n; k++)
          if (kindOf(window[2 * k]) !== Kind.free) seen(window[2 * k + 1], words[2 * (i + k) + 1])
      }
      i += n
    }
  }

  /** Verifies and frees what is still live. */
  checkDrain(): void {
    const fault = this.#exports.check_drain(this.#trace.slots) >>> 0
    if (fault) throw new ReplayError(`${this.#trace.name}: at the end, slot ${fault >>> 4}: ${faults[fault & 15]}`)
  }

  /** Address and size of each live block, in ascending order of address; only after `check`. */
  liveBlocks(): { address: number; size: number }[] {
    const { memory, table_start } = this.#exports
    const table = new Uint32Array(memory.buffer, table_start.value, 2 * this.#trace.slots)
    const blocks: { address: number; size: number }[] = []
    for (let i = 0; i < table.length; i += 2) if (table[i]) blocks.push({ address: table[i], size: table[i + 1] })
    return blocks.sort((a, b) => a.address - b.address)
  }

  /** Copies the operations from `from` on, at most to `to`, into the driver's window; returns how many it took. */
  #feed(from: number, to: number): number {
    const n = Math.min(to - from, this.#exports.window_operations.value)
    this.#window(n).set(this.#trace.words.subarray(2 * from, 2 * (from + n)))
    return n
  }

  #window(operations: number): Uint32Array {
    return new Uint32Array(this.#exports.memory.buffer, this.#exports.window_start.value, 2 * operations)
  }
}
