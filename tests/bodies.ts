import { functionNames } from '../cli/sections.ts'
import { Reader, readSections, Section } from '../cli/wasm.ts'
import { External, readImport } from '../embed/wasm.ts'

/** Bytes of each function of a module that is exported or has a name. */
export function bodies(module: Uint8Array): Map<string, number> {
  const sections = readSections(module)
  const read = (id: number) => new Reader(sections.find((section) => section.id === id)?.body ?? Uint8Array.of(0))
  const [imports, exports, code] = [Section.import, Section.export, Section.code].map(read)
  const imported = imports.list(() => readImport(imports)).filter(({ kind }) => kind === External.function).length
  const sizes = code.list(() => code.take(code.u32()).length)
  const named = [...functionNames(module)].map(([index, name]) => ({ name, index }))
  const exported = exports
    .list(() => ({ name: exports.name(), kind: exports.byte(), index: exports.u32() }))
    .filter(({ kind }) => kind === External.function)
  return new Map([...named, ...exported].map(({ name, index }) => [name, sizes[index - imported]]))
}
