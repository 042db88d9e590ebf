// Turns a finished module into a relocatable object file that a linker of the LLVM family takes, as described in
// WebAssembly's tool conventions (Linking.md). The module may import its memory, immutable i32 globals and functions, and must have
// no data, no table and no start function: what is left to relocate are calls, globals and addresses.
//
//   module                                   object file
//   import env.memory                        import env.__linear_memory
//   import (global $name i32) immutable      i32.const, relocated to the address of the data symbol `name`; in a local if used often
//   import (func $name)                      an undefined function symbol, or the module's own of that name
//   export (func)                            a function symbol, weak where asked for; hidden, so that only who names it exports it
//   mutable global                           a local global symbol

import { functionNames } from '../cli/sections.ts'
import { External, header, type Import, Reader, readImport, readSections, Section, Writer } from '../cli/wasm.ts'
import { Opcode, paddedU32, skipOperands } from './wasm.ts'

const relocation = { functionIndex: 0, memoryAddressSigned: 4, globalIndex: 7 } as const
/** What a symbol stands for, and what can be said of it, as in the `linking` section. */
export const kind = { function: 0, data: 1, global: 2 } as const
export const flag = { weak: 1, local: 2, hidden: 4, undefined: 0x10, explicitName: 0x40 } as const
const linkingVersion = 2
const i32 = 0x7f
const symbolTable = 8

/** How the names of a module become symbols. */
export interface Symbols {
  /** The symbols that an exported function defines. What is missing here, or has no symbols, stays hidden in the object. */
  defined: Record<string, { name: string; weak?: boolean }[]>
  /** The symbol that an import asks for. What is missing here keeps its name. A weak one that nobody defines has the address 0. */
  undefined: Record<string, { name: string; weak?: boolean }>
}

/** Converts a module to an object file. Throws where the module holds something that the object file could not say. */
export function toObject(module: Uint8Array, symbols: Symbols): Uint8Array {
  const sections = readSections(module)
  const body = (id: number) => new Reader(sections.find((section) => section.id === id)?.body ?? Uint8Array.of(0))
  for (const id of [Section.table, Section.start, Section.element, Section.data]) {
    if (!body(id).done && body(id).u32() > 0) throw new Error(`an object file of section ${id} is not supported`)
  }

  const imports = body(Section.import)
  const all = imports.list(() => readImport(imports))
  const functions = all.filter((entry) => entry.kind === External.function)
  const addresses = all.filter((entry) => entry.kind === External.global)
  const memories = all.filter((entry) => entry.kind === External.memory)
  if (memories.length !== 1) throw new Error('the module must import its memory')
  for (const global of addresses) {
    if (global.mutable) throw new Error(`the imported global ${global.field} is mutable`)
  }

  const exports = body(Section.export)
  const exported = new Map<number, string[]>()
  exports.list(() => {
    const name = exports.name()
    const external = exports.byte()
    const index = exports.u32()
    if (external === External.function) exported.set(index, [...(exported.get(index) ?? []), name])
  })

  const names = functionNames(module)
  const table = new Writer()
  let symbolCount = 0
  const functionSymbol: number[] = []
  const ownSymbol = new Map<string, number>()
  const addressSymbol: number[] = []
  const globalSymbol: number[] = []

  const types = body(Section.type)
  const parameterCounts = types.list(() => {
    types.byte() // a function's type
    const parameters = types.take(types.u32())
    types.take(types.u32()) // results
    return parameters.length
  })
  const typed = body(Section.function)
  const typeOf = typed.list(() => typed.u32())
  const bodies = body(Section.code)
  const code = bodies.list(() => bodies.take(bodies.u32()))
  for (let i = 0; i < code.length; i++) {
    const index = functions.length + i
    const defined = (exported.get(index) ?? []).flatMap((name) => symbols.defined[name] ?? [])
    functionSymbol[index] = symbolCount
    for (const { name, weak } of defined) {
      ownSymbol.set(name, symbolCount++)
      table
        .byte(kind.function)
        .u32(flag.hidden | (weak ? flag.weak : 0))
        .u32(index)
        .name(name)
    }
    if (defined.length === 0) {
      symbolCount++
      table
        .byte(kind.function)
        .u32(flag.local)
        .u32(index)
        .name(names.get(index) ?? `granary.${i}`)
    }
  }
  for (const [index, { field }] of functions.entries()) {
    const { name, weak } = symbols.undefined[field] ?? { name: field }
    functionSymbol[index] = ownSymbol.get(name) ?? symbolCount++
    if (ownSymbol.has(name)) continue // the module itself has what it imports
    table.byte(kind.function).u32(flag.undefined | flag.explicitName | (weak ? flag.weak : 0))
    table.u32(index).name(name)
  }
  for (const { field } of addresses) {
    const { name, weak } = symbols.undefined[field] ?? { name: field }
    addressSymbol.push(symbolCount++)
    table
      .byte(kind.data)
      .u32(flag.undefined | (weak ? flag.weak : 0))
      .name(name)
  }
  const globals = body(Section.global)
  const globalCount = globals.u32()
  for (let i = 0; i < globalCount; i++) {
    globalSymbol.push(symbolCount++)
    table.byte(kind.global).u32(flag.local).u32(i).name(`granary.global${i}`)
  }

  const features = new Set<string>()
  const relocations = new Writer()
  let relocationCount = 0
  const relocate = (type: number, offset: number, symbol: number) => {
    relocationCount++
    relocations.byte(type).u32(offset).u32(symbol)
    if (type === relocation.memoryAddressSigned) relocations.u32(0)
  }
  const output = new Writer().u32(code.length)
  for (const [i, input] of code.entries()) {
    const { bytes, patches } = relocatable(input, parameterCounts[typeOf[i]], addresses.length, features)
    output.u32(bytes.length)
    for (const { offset, target, index } of patches) {
      const at = output.length + offset
      if (target === 'function') relocate(relocation.functionIndex, at, functionSymbol[index])
      else if (target === 'address') relocate(relocation.memoryAddressSigned, at, addressSymbol[index])
      else relocate(relocation.globalIndex, at, globalSymbol[index])
    }
    output.raw(bytes)
  }

  const parts: [number, Uint8Array | Writer][] = [
    [Section.type, body(Section.type).bytes],
    [Section.import, writeImports(memories[0], functions)],
    [Section.function, body(Section.function).bytes],
  ]
  if (globalCount > 0) parts.push([Section.global, globals.bytes])
  parts.push([Section.code, output])

  const object = new Writer().raw(header)
  for (const [id, content] of parts) object.section(id, content instanceof Writer ? content.finish() : content)
  const symbolSection = new Writer().u32(symbolCount).raw(table.finish())
  object.custom('linking', new Writer().u32(linkingVersion).byte(symbolTable).sized(symbolSection.finish()).finish())
  const relocationHeader = new Writer().u32(parts.length - 1).u32(relocationCount)
  object.custom('reloc.CODE', relocationHeader.raw(relocations.finish()).finish())
  // Linkers refuse it where the memory is shared: this core serves one thread.
  const used = new Writer()
    .u32(features.size + 1)
    .raw(utf8('-'))
    .name('shared-mem')
  for (const feature of features) used.raw(utf8('+')).name(feature)
  return object.custom('target_features', used.finish()).finish()
}

const utf8 = (value: string) => new TextEncoder().encode(value)

interface Patch {
  /** Where in the rewritten body the five bytes to relocate start. */
  offset: number
  target: 'function' | 'address' | 'global'
  /** The function's index in the module; an address counted from the first imported global; a global counted from the first defined one. */
  index: number
}

/** From so many uses in a function on, an address takes less room in a local: 11 bytes, and 2 for each use, instead of 6. */
const usesForLocal = 3

/** Rewrites a function's body so that each index and address in it takes five bytes, and says where they are. */
function relocatable(
  input: Uint8Array,
  parameterCount: number,
  addressCount: number,
  features: Set<string>,
): { bytes: Uint8Array; patches: Patch[] } {
  const reader = new Reader(input)
  const runs = reader.list(() => ({ count: reader.u32(), type: reader.byte() }))
  const first = reader.offset

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
  const localCount = runs.reduce((sum, { count }) => sum + count, parameterCount)
  const often = [...uses.keys()].filter((index) => uses[index] >= usesForLocal)
  const local = new Map(often.map((index, i) => [index, localCount + i]))

  const writer = new Writer()
  const patches: Patch[] = []
  const padded = (opcode: number, target: Patch['target'], index: number) => {
    writer.byte(opcode)
    patches.push({ offset: writer.length, target, index })
    writer.raw(paddedU32(target === 'function' ? index : 0))
  }
  const added = often.length ? [{ count: often.length, type: i32 }] : []
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

/** Object files import their memory by one fixed name. */
function writeImports(memory: Import, functions: Import[]): Writer {
  const writer = new Writer().u32(functions.length + 1)
  if (memory.kind !== External.memory) throw new Error('not a memory')
  const { flags, min, max } = memory.limits
  writer.name('env').name('__linear_memory').byte(External.memory).byte(flags).u32(min)
  if (max !== undefined) writer.u32(max)
  for (const entry of functions) {
    if (entry.kind === External.function) writer.name(entry.module).name(entry.field).byte(entry.kind).u32(entry.type)
  }
  return writer
}
