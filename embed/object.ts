// Turns a finished module into a relocatable object file that a linker of the LLVM family takes, as described in
// WebAssembly's tool conventions (Linking.md). The module must import its memory, may import immutable i32 globals and functions, and
// must have no data, no table and no start function: what is left to relocate are calls, globals and addresses.
//
//   module                                   object file
//   import env.memory                        import env.__linear_memory
//   import (global $name i32) immutable      i32.const, relocated to the address of the data symbol `name`; in a local if used often
//   import (func $name)                      an undefined function symbol, or the module's own of that name
//   export (func)                            a function symbol, weak where asked for; hidden, so that only who names it exports it
//   mutable global                           a local global symbol

import { functionNames } from '../cli/sections.ts'
import { header, Reader, readSections, Section, Writer } from '../cli/wasm.ts'
import { relocatable, type Target } from './relocatable.ts'
import { External, readImport } from './wasm.ts'

/** The types of relocations. */
const relocation: Record<Target, number> = { function: 0, address: 4, global: 7 }
/** What a symbol stands for, and what can be said of it, as in the `linking` section. */
export const kind = { function: 0, data: 1, global: 2 } as const
export const flag = { weak: 1, local: 2, hidden: 4, undefined: 0x10, explicitName: 0x40 } as const
const LINKING_VERSION = 2
const SYMBOL_TABLE = 8

/** How the names of a module become symbols. */
export interface Symbols {
  /** The symbols that a function defines, by its export's name. A function without any gets a local one. */
  defined: Record<string, { name: string; weak?: boolean }[]>
  /** The symbol that an import asks for. What is missing here keeps its name. A weak one that nobody defines has the address 0. */
  undefined: Record<string, { name: string; weak?: boolean }>
}

/** Converts a module to an object file. Throws where the module holds something that the object file could not say. */
export function toObject(module: Uint8Array, symbols: Symbols): Uint8Array {
  const parts = readModule(module)
  const table = tableOf(parts, symbols)
  return writeObject(parts, table, relocateCode(parts, table))
}

/** A module, as far as an object file can say it. */
type Module = ReturnType<typeof readModule>

function readModule(module: Uint8Array) {
  const sections = readSections(module)
  const unsupported: number[] = [Section.table, Section.start, Section.element, Section.data]
  for (const { id } of sections) {
    if (unsupported.includes(id)) throw new Error(`an object file of section ${id} is not supported`)
  }
  const body = (id: number) => new Reader(sections.find((section) => section.id === id)?.body ?? Uint8Array.of(0))

  const imports = body(Section.import)
  const imported = imports.list(() => readImport(imports))
  const addresses = imported.filter((entry) => entry.kind === External.global)
  const memories = imported.filter((entry) => entry.kind === External.memory)
  if (memories.length !== 1) throw new Error('the module must import its memory')
  for (const global of addresses) {
    if (global.mutable) throw new Error(`the imported global ${global.field} is mutable`)
  }

  const exports = body(Section.export)
  const exported = exports.list(() => ({ name: exports.name(), kind: exports.byte(), index: exports.u32() }))

  const types = body(Section.type)
  const parameterCounts = types.list(() => {
    types.byte() // a function's type
    const parameters = types.take(types.u32())
    types.take(types.u32()) // results
    return parameters.length
  })
  const functionTypes = body(Section.function)
  const typeIndices = functionTypes.list(() => functionTypes.u32())
  const code = body(Section.code)
  const globals = body(Section.global)

  return {
    memory: memories[0],
    /** The imported functions, which are the first. */
    functions: imported.filter((entry) => entry.kind === External.function),
    /** The imported globals, which become addresses. */
    addresses,
    exports: exported.filter((entry) => entry.kind === External.function),
    names: functionNames(module),
    /** The functions that the module has itself. */
    own: code.list((i) => ({ parameterCount: parameterCounts[typeIndices[i]], body: code.take(code.u32()) })),
    globalCount: globals.u32(),
    /** Sections that an object file has too. */
    sections: { types: types.bytes, functionTypes: functionTypes.bytes, globals: globals.bytes },
  }
}

interface SymbolTable {
  count: number
  entries: Uint8Array
  /** The number of each thing's symbol; addresses count from the first imported global, globals from the first that is not imported. */
  symbols: Record<Target, number[]>
}

function tableOf(module: Module, names: Symbols): SymbolTable {
  const entries = new Writer()
  const symbols: SymbolTable['symbols'] = { function: [], address: [], global: [] }
  let count = 0
  const addIndexed = (symbolKind: number, flags: number, index: number, name: string) => {
    entries.byte(symbolKind).u32(flags).u32(index).name(name)
    return count++
  }
  const wanted = (field: string) => {
    const { name, weak } = names.undefined[field] ?? { name: field }
    return { name, flags: flag.undefined | (weak ? flag.weak : 0) }
  }

  const defined = new Map<string, number>()
  for (const i of module.own.keys()) {
    const index = module.functions.length + i
    const exports = module.exports.filter((entry) => entry.index === index)
    for (const { name, weak } of exports.flatMap((entry) => names.defined[entry.name] ?? [])) {
      const symbol = addIndexed(kind.function, flag.hidden | (weak ? flag.weak : 0), index, name)
      defined.set(name, symbol)
      symbols.function[index] ??= symbol
    }
    symbols.function[index] ??= addIndexed(kind.function, flag.local, index, module.names.get(index) ?? `granary.${i}`)
  }
  for (const [index, { field }] of module.functions.entries()) {
    const { name, flags } = wanted(field)
    // The module itself may have what it imports.
    symbols.function[index] = defined.get(name) ?? addIndexed(kind.function, flags | flag.explicitName, index, name)
  }
  for (const { field } of module.addresses) {
    const { name, flags } = wanted(field)
    entries.byte(kind.data).u32(flags).name(name)
    symbols.address.push(count++)
  }
  for (let i = 0; i < module.globalCount; i++) {
    symbols.global.push(addIndexed(kind.global, flag.local, i, `granary.global${i}`))
  }
  return { count, entries: entries.finish(), symbols }
}

/** The code section of an object file, and what is to be said of it. */
interface Code {
  bytes: Uint8Array
  relocations: { type: number; offset: number; symbol: number }[]
  features: Set<string>
}

function relocateCode(module: Module, { symbols }: SymbolTable): Code {
  const features = new Set<string>()
  const relocations: Code['relocations'] = []
  const output = new Writer().u32(module.own.length)
  for (const { parameterCount, body } of module.own) {
    const { bytes, patches } = relocatable(body, parameterCount, module.addresses.length, features)
    output.u32(bytes.length)
    for (const { offset, target, index } of patches) {
      relocations.push({ type: relocation[target], offset: output.length + offset, symbol: symbols[target][index] })
    }
    output.raw(bytes)
  }
  return { bytes: output.finish(), relocations, features }
}

function writeObject(module: Module, table: SymbolTable, code: Code): Uint8Array {
  const { types, functionTypes, globals } = module.sections
  const sections: [number, Uint8Array][] = [
    [Section.type, types],
    [Section.import, importsOf(module)],
    [Section.function, functionTypes],
  ]
  if (module.globalCount > 0) sections.push([Section.global, globals])
  sections.push([Section.code, code.bytes])

  const object = new Writer().raw(header)
  for (const [id, body] of sections) object.section(id, body)

  const symbols = new Writer().u32(table.count).raw(table.entries)
  object.custom('linking', new Writer().u32(LINKING_VERSION).byte(SYMBOL_TABLE).sized(symbols.finish()).finish())

  const relocations = new Writer().u32(sections.length - 1).u32(code.relocations.length)
  for (const { type, offset, symbol } of code.relocations) {
    relocations.byte(type).u32(offset).u32(symbol)
    if (type === relocation.address) relocations.u32(0) // what to add to it
  }
  object.custom('reloc.CODE', relocations.finish())

  // Linkers refuse it where the memory is shared: this core serves one thread.
  const features = [['-', 'shared-mem'], ...[...code.features].map((feature) => ['+', feature])]
  const used = new Writer().u32(features.length)
  for (const [sign, name] of features) used.byte(sign.charCodeAt(0)).name(name)
  return object.custom('target_features', used.finish()).finish()
}

/** The import section. Object files import their memory by one fixed name. */
function importsOf({ memory, functions }: Module): Uint8Array {
  const { flags, min, max } = memory.limits
  const writer = new Writer().u32(functions.length + 1)
  writer.name('env').name('__linear_memory').byte(External.memory).byte(flags).u32(min)
  if (max !== undefined) writer.u32(max)
  for (const { module, field, kind, type } of functions) writer.name(module).name(field).byte(kind).u32(type)
  return writer.finish()
}
