// Reads and writes modules in the binary format: their sections, and what these hold as names, lists and LEB128 numbers.

export const Section = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
} as const

const utf8 = new TextEncoder()
const text = new TextDecoder()

/** A cursor over bytes of a module. */
export class Reader {
  offset = 0
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  get done(): boolean {
    return this.offset >= this.bytes.length
  }

  byte(): number {
    if (this.done) throw new Error('the module ends too early')
    return this.bytes[this.offset++]
  }

  /** An unsigned LEB128 of at most 32 bits. */
  u32(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
  }

  take(length: number): Uint8Array {
    if (this.offset + length > this.bytes.length) throw new Error('the module ends too early')
    return this.bytes.subarray(this.offset, (this.offset += length))
  }

  name(): string {
    return text.decode(this.take(this.u32()))
  }

  /** Reads a counted list. */
  list<T>(item: (index: number) => T): T[] {
    return Array.from({ length: this.u32() }, (_, index) => item(index))
  }
}

/** Bytes of a module in the making. */
export class Writer {
  #bytes = new Uint8Array(1024)
  length = 0

  raw(bytes: ArrayLike<number>): this {
    const end = this.length + bytes.length
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    this.#bytes.set(bytes, this.length)
    this.length = end
    return this
  }

  byte(value: number): this {
    return this.raw([value])
  }

  u32(value: number): this {
    for (; value >= 0x80; value >>>= 7) this.byte((value & 0x7f) | 0x80)
    return this.byte(value)
  }

  name(value: string): this {
    const bytes = utf8.encode(value)
    return this.u32(bytes.length).raw(bytes)
  }

  /** Bytes with their length in front. */
  sized(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes)
  }

  section(id: number, body: Uint8Array): this {
    return this.byte(id).sized(body)
  }

  custom(name: string, body: Uint8Array): this {
    return this.section(Section.custom, new Writer().name(name).raw(body).finish())
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.length)
  }
}

/** The eight bytes that every module starts with, and those of a component: the same with another version. */
export const header = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
const componentHeader = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0)

const startsWith = (bytes: Uint8Array, start: Uint8Array) => start.every((byte, i) => bytes[i] === byte)
/** Whether bytes begin as a module's do. */
export const isModule = (bytes: Uint8Array) => startsWith(bytes, header)
/** Whether bytes begin as a component's do. */
export const isComponent = (bytes: Uint8Array) => startsWith(bytes, componentHeader)

/** One section; custom ones with their name, which `body` no longer holds. */
export interface SectionBytes {
  id: number
  name: string
  body: Uint8Array
}

/** Splits a module into its sections. */
export function readSections(module: Uint8Array): SectionBytes[] {
  if (!isModule(module)) throw new Error('not a WebAssembly module')
  const reader = new Reader(module)
  reader.offset = header.length
  const sections: SectionBytes[] = []
  while (!reader.done) {
    const id = reader.byte()
    const body = new Reader(reader.take(reader.u32()))
    const name = id === Section.custom ? body.name() : ''
    sections.push({ id, name, body: body.bytes.subarray(body.offset) })
  }
  return sections
}
