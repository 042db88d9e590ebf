// Traces as they are bundled: the same operations told in columns that compress well, then Brotli. Reading one gives back
// every bit of the MTRC file.
//
// Left out: a new block's slot, because the lowest free one is taken; and what can be counted, such as the peak. Kept: the
// kinds; the sizes; the alignments; and which block each free and realloc means, as its position among the live blocks in
// the order of their last (re)allocation, less the position of the free or realloc before it. Programs free in the order
// in which they allocate, or in the reverse, so most of these differences are 0 or -1.
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import TinyQueue from 'tinyqueue'
import { alignmentLog2Of, describe, Kind, kindOf, slotOf, type Trace, TraceError, toTrace } from './trace.ts'

const MAGIC = 'granary trace 1\n'

/** The trace in the bundled form. Throws a TraceError if it does not take the lowest free slot each time. */
export function packTrace(trace: Trace): Uint8Array {
  const kinds = new ColumnWriter()
  const sizes = new ColumnWriter()
  const alignments = new ColumnWriter()
  const positions = new ColumnWriter()
  const live = new LiveBlocks(trace.operations)
  const slots = new FreeSlots()
  const births = new Int32Array(trace.slots)
  let last = 0
  for (let i = 0; i < trace.operations; i++) {
    const word = trace.words[2 * i]
    const kind = kindOf(word)
    const slot = slotOf(word)
    kinds.byte(kind)
    if (kind === Kind.free || kind === Kind.realloc) {
      const position = live.positionOf(births[slot])
      positions.signed(position - last)
      last = position
      live.remove(births[slot])
    } else if (slots.take() !== slot) {
      throw new TraceError(`${trace.name}: ${describe(trace, i)}: slot ${slot} is not the lowest free one`)
    }
    if (kind === Kind.free) {
      slots.give(slot)
      continue
    }
    sizes.unsigned(trace.words[2 * i + 1])
    if (kind === Kind.aligned) alignments.byte(alignmentLog2Of(word))
    births[slot] = i
    live.add(i)
  }
  const columns = [kinds, sizes, alignments, positions].map((column) => column.bytes())
  const header = new ColumnWriter()
  for (const byte of Buffer.from(MAGIC)) header.byte(byte)
  header.byte(trace.pointers32 ? 1 : 0)
  header.unsigned(trace.slots)
  for (const column of columns) header.unsigned(column.length)
  return brotliCompressSync(Buffer.concat([header.bytes(), ...columns]), {
    params: { [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS },
  })
}

/** Reads what packTrace wrote. Throws a TraceError that says what is wrong with it. */
export function unpackTrace(file: Uint8Array, name: string): Trace {
  const damaged = () => new TraceError(`${name}: damaged, or not a trace in the bundled form`)
  let bytes: Uint8Array
  try {
    bytes = brotliDecompressSync(file)
  } catch {
    throw damaged()
  }
  const header = new ColumnReader(bytes, damaged)
  for (const byte of Buffer.from(MAGIC)) if (header.byte() !== byte) throw damaged()
  const flags = header.byte()
  const slotCount = header.unsigned()
  const lengths = [header.unsigned(), header.unsigned(), header.unsigned(), header.unsigned()]
  const columns = lengths.map((length) => header.column(length))
  const [kinds, sizes, alignments, positions] = columns
  const operations = lengths[0]
  const words = new Uint32Array(2 * operations)
  const live = new LiveBlocks(operations)
  const slots = new FreeSlots()
  const slotOfBirth = new Int32Array(operations)
  let last = 0
  for (let i = 0; i < operations; i++) {
    const kind = kinds.byte()
    if (kind > Kind.aligned) throw damaged()
    let slot: number
    if (kind === Kind.free || kind === Kind.realloc) {
      last += positions.signed()
      if (last < 0 || last >= live.count) throw damaged()
      const birth = live.at(last)
      live.remove(birth)
      slot = slotOfBirth[birth]
    } else {
      slot = slots.take()
    }
    words[2 * i] = slot | (kind << 28)
    if (kind === Kind.free) {
      slots.give(slot)
      continue
    }
    if (kind === Kind.aligned) words[2 * i] |= alignments.byte() << 24
    words[2 * i + 1] = sizes.unsigned()
    slotOfBirth[i] = slot
    live.add(i)
  }
  if (flags > 1 || ![header, ...columns].every((column) => column.isDone)) throw damaged()
  return toTrace(name, words, slotCount, flags === 1)
}

/** The slots that new blocks take: the lowest one that is free. */
class FreeSlots {
  readonly #freed = new TinyQueue<number>()
  #fresh = 0

  take(): number {
    return this.#freed.pop() ?? this.#fresh++
  }

  give(slot: number): void {
    this.#freed.push(slot)
  }
}

/** The live blocks in the order of their births (operation numbers), as a Fenwick tree: all steps take log time. */
class LiveBlocks {
  count = 0
  readonly #sums: Int32Array
  readonly #highestBit: number

  constructor(operations: number) {
    this.#sums = new Int32Array(operations + 1)
    this.#highestBit = 1 << (31 - Math.clz32(operations))
  }

  add(birth: number): void {
    this.#change(birth, 1)
  }

  remove(birth: number): void {
    this.#change(birth, -1)
  }

  /** How many live blocks are older. */
  positionOf(birth: number): number {
    let older = 0
    for (let i = birth; i > 0; i &= i - 1) older += this.#sums[i]
    return older
  }

  /** The birth of the block with that many older ones. */
  at(position: number): number {
    let birth = 0
    let older = position
    for (let bit = this.#highestBit; bit; bit >>>= 1) {
      const next = birth + bit
      if (next < this.#sums.length && this.#sums[next] <= older) {
        birth = next
        older -= this.#sums[next]
      }
    }
    return birth
  }

  #change(birth: number, by: number): void {
    this.count += by
    for (let i = birth + 1; i < this.#sums.length; i += i & -i) this.#sums[i] += by
  }
}

/** Appends numbers as bytes: 7 bits each, the lowest first, the top bit set in all but the last. */
class ColumnWriter {
  readonly #bytes: number[] = []

  byte(value: number): void {
    this.#bytes.push(value)
  }

  unsigned(value: number): void {
    let rest = value
    for (; rest > 127; rest = Math.floor(rest / 128)) this.byte((rest & 127) | 128)
    this.byte(rest)
  }

  signed(value: number): void {
    this.unsigned(value < 0 ? -2 * value - 1 : 2 * value)
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }
}

/** Reads what ColumnWriter wrote. */
class ColumnReader {
  readonly #bytes: Uint8Array
  readonly #damaged: () => Error
  #at = 0

  constructor(bytes: Uint8Array, damaged: () => Error) {
    this.#bytes = bytes
    this.#damaged = damaged
  }

  get isDone(): boolean {
    return this.#at === this.#bytes.length
  }

  byte(): number {
    if (this.isDone) throw this.#damaged()
    return this.#bytes[this.#at++]
  }

  unsigned(): number {
    let value = 0
    for (let scale = 1; scale < 2 ** 42; scale *= 128) {
      const byte = this.byte()
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
    throw this.#damaged()
  }

  signed(): number {
    const value = this.unsigned()
    return value & 1 ? -(value + 1) / 2 : value / 2
  }

  /** The next bytes as a column of its own. */
  column(length: number): ColumnReader {
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    if (bytes.length < length) throw this.#damaged()
    this.#at += length
    return new ColumnReader(bytes, this.#damaged)
  }
}
