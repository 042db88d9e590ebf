// Replays a trace in a module made by merge.ts: timed, or with every byte of every block verified.
import { describe, Kind, kindOf, type Trace, TraceError } from '../trace.ts'
import { cpuTime } from './engine.ts'
import { HEAP_BASE } from './merge.ts'
import { Player, SHORTEST_RING } from './player.ts'

/** The allocator under test did something wrong; the message says at which operation. */
export class ReplayError extends Error {
  override name = 'ReplayError'
}

// The most that peak and largest request may be together: behind the floor's ring (null.as.ts) is room for a block that begins near
// its end, and for the alignment of that block a page more.
const MOST_BYTES = 0xfffe0000 - HEAP_BASE - SHORTEST_RING

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

/** A player whose errors name the trace and say what its operation asks for, and that shows where blocks are. */
export class Replay extends Player {
  readonly #trace: Trace

  /** Imports are what the allocator needs besides the memory and the heap's base. */
  constructor(module: WebAssembly.Module, trace: Trace, imports: WebAssembly.Imports = {}) {
    assertReplayable(trace)
    super(module, trace, imports)
    this.#trace = trace
  }

  protected override fault(what: string, operation?: number): Error {
    const where = operation === undefined ? '' : `${describe(this.#trace, operation)}: `
    return new ReplayError(`${this.#trace.name}: ${where}${what}`)
  }

  /** How often the memory has grown; only in a module made by countGrowths. */
  get growths(): number {
    if (!this.exports.growths) throw new Error('this module does not count its growths')
    return this.exports.growths.value
  }

  /** Replays the trace and returns the CPU time that the process took, in nanoseconds an operation. */
  cpuTime(): number {
    return this.time(cpuTime)
  }

  /** As `check` for operations from..to-1; calls `seen` with the place of each block that is handed out. */
  checkPlaces(alignment: number, from: number, to: number, seen: (address: number, size: number) => void): void {
    const { words } = this.#trace
    const look = (i: number, n: number) => {
      const window = this.window(n)
      for (let k = 0; k < n; k++)
        if (kindOf(window[2 * k]) !== Kind.free) seen(window[2 * k + 1], words[2 * (i + k) + 1])
    }
    this.check(alignment, look, from, to)
  }

  /** Address and size of each live block, in ascending order of address; only after `check`. */
  liveBlocks(): { address: number; size: number }[] {
    const { memory, table_start } = this.exports
    const table = new Uint32Array(memory.buffer, table_start.value, 2 * this.#trace.slots)
    const blocks: { address: number; size: number }[] = []
    for (let i = 0; i < table.length; i += 2) if (table[i]) blocks.push({ address: table[i], size: table[i + 1] })
    return blocks.sort((a, b) => a.address - b.address)
  }
}
