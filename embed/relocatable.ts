// Makes a function's code relocatable: what a linker fills in takes five bytes, and addresses in frequent use are in locals.

import { Reader, Writer } from '../cli/wasm.ts'
import { I32, Opcode, paddedU32, skipOperands } from './wasm.ts'

/** What a place in the code refers to: a function, the address that an imported global stands for, or another global. */
export type Target = 'function' | 'address' | 'global'

/** A place that a linker fills in. */
export interface Patch {
  /** Where in the rewritten body the five bytes to relocate start. */
  offset: number
  target: Target
  /** The function's index in the module; an address counted from the first imported global; a global counted from the first defined one. */
  index: number
}

/** From so many uses in a function on, an address takes less room in a local: 11 bytes, and 2 for each use, instead of 6. */
const USES_FOR_LOCAL = 3

/** Rewrites a function's body so that each index and address in it takes five bytes, and says where they are. Notes the features of
 *  WebAssembly that it uses. */
export function relocatable(
  input: Uint8Array,
  parameterCount: number,
  addressCount: number,
  features: Set<string>,
): { bytes: Uint8Array; patches: Patch[] } {
  const reader = new Reader(input)
  const runs = reader.list(() => ({ count: reader.u32(), type: reader.byte() }))
  const first = reader.offset

  const uses = countUses(reader, addressCount, features)
  const localCount = runs.reduce((sum, { count }) => sum + count, parameterCount)
  const often = [...uses.keys()].filter((index) => uses[index] >= USES_FOR_LOCAL)
  const local = new Map(often.map((index, i) => [index, localCount + i]))

  const writer = new Writer()
  const patches: Patch[] = []
  const padded = (opcode: number, target: Target, index: number) => {
    writer.byte(opcode)
    patches.push({ offset: writer.length, target, index })
    writer.raw(paddedU32(target === 'function' ? index : 0))
  }
  const added = often.length ? [{ count: often.length, type: I32 }] : []
  writer.u32(runs.length + added.length)
  for (const { count, type } of [...runs, ...added]) writer.u32(count).byte(type)
  for (const [index, at] of local) {
    padded(Opcode.i32Const, 'address', index)
    writer.byte(Opcode.localSet).u32(at)
  }

  reader.offset = first
  while (!reader.done) {
    const start = reader.offset
    const opcode = reader.byte()
    if (opcode === Opcode.call) {
      padded(opcode, 'function', reader.u32())
    } else if (opcode === Opcode.globalGet || opcode === Opcode.globalSet) {
      const index = reader.u32()
      const at = local.get(index)
      if (at !== undefined) writer.byte(Opcode.localGet).u32(at)
      else if (index < addressCount) padded(Opcode.i32Const, 'address', index)
      else padded(opcode, 'global', index - addressCount)
    } else {
      skipOperands(opcode, reader)
      writer.raw(input.subarray(start, reader.offset))
    }
  }
  return { bytes: writer.finish(), patches }
}

/** How often the code uses each address. */
function countUses(reader: Reader, addressCount: number, features: Set<string>): number[] {
  const uses: number[] = new Array(addressCount).fill(0)
  while (!reader.done) {
    const opcode = reader.byte()
    if (opcode === Opcode.globalGet) {
      const index = reader.u32()
      if (index < addressCount) uses[index]++
    } else {
      const feature = skipOperands(opcode, reader)
      if (feature) features.add(feature)
    }
  }
  return uses
}
