// The custom sections of a binary module.

import { Reader, readSections, Section, type SectionBytes, Writer } from './wasm.ts'

export function customSections(module: Uint8Array): SectionBytes[] {
  return readSections(module).filter(({ id }) => id === Section.custom)
}

/** The module with these sections behind its own. */
export function withSections(module: Uint8Array, sections: SectionBytes[]): Uint8Array {
  const writer = new Writer().raw(module)
  for (const { name, body } of sections) writer.custom(name, body)
  return writer.finish()
}

/** The functions' names by index from the name section; empty where there is none. */
export function functionNames(module: Uint8Array): Map<number, string> {
  const names = new Map<number, string>()
  const section = readSections(module).find(({ name }) => name === 'name')
  const reader = new Reader(section?.body ?? new Uint8Array())
  while (!reader.done) {
    const isOfFunctions = reader.byte() === 1
    const part = new Reader(reader.take(reader.u32()))
    if (isOfFunctions) part.list(() => names.set(part.u32(), part.name()))
  }
  return names
}
