// What only the object writer needs of the binary format: imports, the instructions' operands, and numbers that a linker overwrites.

import type { Reader } from '../cli/wasm.ts'

/** The type i32. */
export const I32 = 0x7f

/** Kinds of imports and exports. */
export const External = { function: 0, memory: 2, global: 3 } as const

/** The opcodes of what an object file says otherwise than a module. */
export const Opcode = {
  call: 0x10,
  localGet: 0x20,
  localSet: 0x21,
  globalGet: 0x23,
  globalSet: 0x24,
  i32Const: 0x41,
} as const

/** A u32 in five bytes whatever its value, so that a linker can overwrite it. */
export function paddedU32(value: number): Uint8Array {
  return Uint8Array.from({ length: 5 }, (_, i) => ((value >>> (7 * i)) & 0x7f) | (i < 4 ? 0x80 : 0))
}

/** Steps over LEB128 numbers of any width. */
export function skipLebs(reader: Reader, count: number): void {
  for (; count > 0; count--) while (reader.byte() >= 0x80);
}

/** The least and the greatest size of a memory. */
interface Limits {
  flags: number
  min: number
  max?: number
}

/** What an import imports: the index of a function's type, or what its description says. */
export type Import = { module: string; field: string } & (
  | { kind: typeof External.function; type: number }
  | { kind: typeof External.global; mutable: boolean }
  | { kind: typeof External.memory; limits: Limits }
)

/** Reads one entry of the import section. */
export function readImport(reader: Reader): Import {
  const module = reader.name()
  const field = reader.name()
  const kind = reader.byte()
  if (kind === External.function) return { module, field, kind, type: reader.u32() }
  if (kind === External.global && reader.byte() === I32) return { module, field, kind, mutable: reader.byte() === 1 }
  if (kind !== External.memory) throw new Error(`cannot read import ${module}.${field}`)
  const flags = reader.byte()
  const min = reader.u32()
  return { module, field, kind, limits: flags & 1 ? { flags, min, max: reader.u32() } : { flags, min } }
}

// Saturating conversions and bulk memory: how many indices follow.
const prefixedOperands = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1]

/**
 * Steps over the operands of an instruction whose opcode was just read. Returns the feature beyond the first edition of
 * WebAssembly that the instruction belongs to, named as in the `target_features` section, or '' for none.
 */
export function skipOperands(opcode: number, reader: Reader): string {
  if (opcode >= 0x45 && opcode <= 0xbf) return '' // comparisons and arithmetic
  if (opcode >= 0xc0 && opcode <= 0xc4) return 'sign-ext'
  if (opcode >= 0x28 && opcode <= 0x3e) {
    skipLebs(reader, 2) // alignment and offset of a load or store
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
      skipLebs(reader, 1)
      return ''
    case 0x0e: // br_table
      skipLebs(reader, reader.u32() + 1)
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
      skipLebs(reader, prefixedOperands[operation])
      return operation < 8 ? 'nontrapping-fptoint' : 'bulk-memory'
    }
  }
  throw new Error(`unknown instruction 0x${opcode.toString(16)}`)
}
