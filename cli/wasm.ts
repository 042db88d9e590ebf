// Reads and writes the binary format: sections, LEB128 numbers, and the operands of each instruction. No more than the object writer needs.

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

/** Kinds of imports and exports. */
export const External = { function: 0, table: 1, memory: 2, global: 3 } as const

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

  /** Steps over LEB128 numbers of any width. */
  skipLebs(count: number): void {
    for (; count > 0; count--) while (this.byte() >= 0x80);
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

  /** A u32 in five bytes whatever its value, so that a linker can overwrite it. */
  paddedU32(value: number): this {
    for (let i = 0; i < 4; i++, value >>>= 7) this.byte((value & 0x7f) | 0x80)
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

  section(id: number, body: Writer): this {
    return this.byte(id).sized(body.finish())
  }

  custom(name: string, body: Writer): this {
    return this.section(Section.custom, new Writer().name(name).raw(body.finish()))
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.length)
  }
}

/** The eight bytes that every module starts with. */
export const header = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)

/** One section; custom ones with their name, which `body` no longer holds. */
export interface SectionBytes {
  id: number
  name: string
  body: Uint8Array
}

/** Splits a module into its sections. */
export function readSections(module: Uint8Array): SectionBytes[] {
  if (header.some((byte, i) => module[i] !== byte)) throw new Error('not a WebAssembly module')
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

/** What an import imports: the index of a function's type, or the bytes of the other kinds' descriptions. */
export type Import = { module: string; field: string } & (
  | { kind: typeof External.function; type: number }
  | { kind: typeof External.global; valueType: number; mutable: boolean }
  | { kind: typeof External.table | typeof External.memory; limits: { min: number; max?: number; flags: number } }
)

/** Reads one entry of the import section. */
export function readImport(reader: Reader): Import {
  const module = reader.name()
  const field = reader.name()
  const kind = reader.byte()
  if (kind === External.function) return { module, field, kind, type: reader.u32() }
  if (kind === External.global) return { module, field, kind, valueType: reader.byte(), mutable: reader.byte() === 1 }
  if (kind !== External.memory && kind !== External.table) throw new Error(`cannot read import ${module}.${field}`)
  if (kind === External.table) reader.byte()
  const flags = reader.byte()
  const min = reader.u32()
  return { module, field, kind, limits: flags & 1 ? { flags, min, max: reader.u32() } : { flags, min } }
}

// Saturating conversions, bulk memory and tables: how many indices follow.
const prefixedOperands = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1]

/**
 * Steps over the operands of an instruction whose opcode was just read. Returns the feature beyond the first edition of
 * WebAssembly that the instruction belongs to, named as in the `target_features` section, or '' for none.
 */
export function skipOperands(opcode: number, reader: Reader): string {
  if (opcode >= 0x45 && opcode <= 0xbf) return '' // comparisons and arithmetic
  if (opcode >= 0xc0 && opcode <= 0xc4) return 'sign-ext'
  if (opcode >= 0x28 && opcode <= 0x3e) {
    reader.skipLebs(2) // alignment and offset of a load or store
    return ''
  }
  switch (opcode) {
    case 0x00: // unreachable
    case 0x01: // nop
    case 0x05: // else
    case 0x0b: // end
    case 0x0f: // return
    case 0x1a: // drop
    case 0x1b: // select
      return ''
    case 0x02: // block
    case 0x03: // loop
    case 0x04: // if
    case 0x0c: // br
    case 0x0d: // br_if
    case 0x10: // call
    case 0x20: // local.get
    case 0x21: // local.set
    case 0x22: // local.tee
    case 0x23: // global.get
    case 0x24: // global.set
    case 0x3f: // memory.size
    case 0x40: // memory.grow
    case 0x41: // i32.const
    case 0x42: // i64.const
      reader.skipLebs(1)
      return ''
    case 0x0e: // br_table
      reader.skipLebs(reader.u32() + 1)
      return ''
    case 0x43: // f32.const
      reader.take(4)
      return ''
    case 0x44: // f64.const
      reader.take(8)
      return ''
    case 0xfc: {
      const operation = reader.u32()
      if (operation >= prefixedOperands.length) break
      reader.skipLebs(prefixedOperands[operation])
      if (operation > 11) return 'reference-types'
      return operation < 8 ? 'nontrapping-fptoint' : 'bulk-memory'
    }
    case 0xfe:
      reader.skipLebs(reader.u32() === 3 ? 1 : 2) // a fence has a reserved byte, the others alignment and offset
      return 'atomics'
  }
  throw new Error(`unknown instruction 0x${opcode.toString(16)}`)
}
