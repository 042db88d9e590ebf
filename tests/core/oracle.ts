// What a heap must keep true, told from outside: each byte has at most one owner, owners are where the heap may put them,
// and what an owner wrote stays as it is. Knows nothing of how the heap works.
import { hex, PAGE } from './core.ts'

/** Who owns a range: a block of malloc's, a page of a mapping, bytes from sbrk, or others. */
export type Owner = 'block' | 'page' | 'break' | 'foreign'

export interface Range {
  readonly start: number
  end: number
  readonly owner: Owner
  /** Number of the pattern that the range's bytes hold, counted from its start; 0 is zeros. */
  pattern: number
  /** The range's length when the pattern was written. */
  written: number
}

const PATTERN = 0x10000
/** Bytes without zeros that no shift maps to themselves; a pattern is this from one of its positions on. */
const template = Buffer.alloc(2 * PATTERN)
for (let i = 0, x = 1; i < PATTERN; i++) {
  x = Math.imul(x, 1664525) + 1013904223
  template[i] = template[i + PATTERN] = 1 + ((x >>> 16) % 255)
}
const zeros = Buffer.alloc(PATTERN)

/** Of longer ranges only this much of both ends is written and read. */
const EDGE = 0x80000

export class Oracle {
  memory: WebAssembly.Memory
  /** First address that the heap may hand out. */
  readonly base: number
  /** Sorted by address. */
  readonly ranges: Range[] = []
  #patterns = 0

  constructor(memory: WebAssembly.Memory, base: number) {
    this.memory = memory
    this.base = base
  }

  /** Index of the first range that ends behind the address. */
  #find(address: number): number {
    let low = 0
    let high = this.ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.ranges[middle].end <= address) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The ranges that share bytes with [start, end). */
  overlapping(start: number, end: number): Range[] {
    const found: Range[] = []
    for (let i = this.#find(start); i < this.ranges.length && this.ranges[i].start < end; i++)
      found.push(this.ranges[i])
    return found
  }

  /** The range that begins at the address. */
  at(start: number): Range | undefined {
    const range = this.ranges[this.#find(start)]
    return range?.start === start ? range : undefined
  }

  /** Notes a new owner of [start, end). Throws if there is one already, or if it is not the heap's to give. */
  claim(start: number, end: number, owner: Owner): Range {
    const what = `${owner} [${hex(start)}, ${hex(end)})`
    if (start < this.base) throw new Error(`${what} begins below the heap at ${hex(this.base)}`)
    if (end > this.memory.buffer.byteLength) throw new Error(`${what} ends behind the memory`)
    if (end <= start) throw new Error(`${what} is empty`)
    const i = this.#find(start)
    const other = this.ranges[i]
    if (other && other.start < end)
      throw new Error(`${what} overlaps the ${other.owner} [${hex(other.start)}, ${hex(other.end)})`)
    const range: Range = { start, end, owner, pattern: 0, written: end - start }
    this.ranges.splice(i, 0, range)
    return range
  }

  release(range: Range): void {
    const i = this.#find(range.start)
    if (this.ranges[i] !== range) throw new Error(`no range at ${hex(range.start)}`)
    this.ranges.splice(i, 1)
  }

  /** Writes a pattern of its own over the range. */
  fill(range: Range): void {
    range.pattern = ++this.#patterns
    range.written = range.end - range.start
    this.#each(range.start, range.end, range, (bytes, expected) => void expected.copy(bytes))
  }

  /** Throws if the range's first `length` bytes are not as they were written. */
  check(range: Range, length = range.end - range.start): void {
    this.checkCopy(range, range.start, length)
  }

  /** Throws if the `length` bytes at `start` are not those that were written to the range's beginning. */
  checkCopy(range: Range, start: number, length: number): void {
    this.#each(start, start + length, range, (bytes, expected, at) => {
      if (bytes.equals(expected)) return
      const i = bytes.findIndex((byte, j) => byte !== expected[j])
      const { owner } = range
      throw new Error(
        `${owner} [${hex(range.start)}, ${hex(range.end)}): byte ${at - start + i}, now at ${hex(at + i)}, is ${bytes[i]} instead of ${expected[i]}`,
      )
    })
  }

  /** Throws if the bytes of [start, end) are not all zero. */
  checkZero(start: number, end: number): void {
    this.checkCopy({ start, end, owner: 'block', pattern: 0, written: end - start }, start, end - start)
  }

  checkAll(): void {
    for (const range of this.ranges) this.check(range)
  }

  /** Bytes of all ranges of an owner. */
  bytesOf(owner: Owner): number {
    return this.ranges.reduce((sum, range) => sum + (range.owner === owner ? range.end - range.start : 0), 0)
  }

  /** Bytes of the longest run within [start, end) that nobody owns. */
  largestGap(start: number, end: number): number {
    let largest = 0
    let from = start
    for (const range of this.ranges) {
      largest = Math.max(largest, range.start - from)
      from = range.end
    }
    return Math.max(largest, end - from)
  }

  #each(
    start: number,
    end: number,
    { pattern, written }: Range,
    visit: (bytes: Buffer, expected: Buffer, address: number) => void,
  ): void {
    const from = Math.imul(pattern, 40503) & (PATTERN - 1)
    for (let at = start; at < end; at += PATTERN) {
      if (at - start >= EDGE && written - (at - start) > EDGE) continue
      const n = Math.min(end - at, PATTERN)
      const expected = pattern ? template.subarray(from, from + n) : zeros.subarray(0, n)
      visit(Buffer.from(this.memory.buffer, at, n), expected, at)
    }
  }
}

/** The pages that [start, end) touches. */
export function* pagesOf(start: number, end: number): Generator<number> {
  for (let p = start - (start % PAGE); p < end; p += PAGE) yield p
}
