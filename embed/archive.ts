// Writes a static library: the `ar` format with the symbol index that linkers before LLVM 15 insist on.

import { Reader, readSections } from '../cli/wasm.ts'
import { flag, kind } from './object.ts'
import { skipLebs } from './wasm.ts'

const FILE_HEADER_LENGTH = 60
const MAGIC = '!<arch>\n'

/** A member of a library and the symbols by which a linker finds it. */
export interface Member {
  name: string
  bytes: Uint8Array
}

/** Makes a static library of object files. A member's name has at most 15 characters. */
export function toArchive(members: Member[]): Uint8Array {
  const symbols = members.map((member) => definedSymbols(member.bytes))
  const all = symbols.flat()
  const names = all.map((name) => `${name}\0`).join('')
  const indexLength = 4 + 4 * all.length + names.length

  let offset = MAGIC.length + entryLength(indexLength)
  const index = Buffer.alloc(indexLength)
  let at = index.writeUInt32BE(all.length)
  for (const [i, member] of members.entries()) {
    for (const _ of symbols[i]) at = index.writeUInt32BE(offset, at)
    offset += entryLength(member.bytes.length)
  }
  index.write(names, at, 'latin1')

  return Buffer.concat([
    Buffer.from(MAGIC),
    entry('/', index),
    ...members.map(({ name, bytes }) => entry(`${name}/`, bytes)),
  ])
}

const entryLength = (length: number) => FILE_HEADER_LENGTH + length + (length & 1)

/** One file of the archive. Dates and owners are zero, so that the same input gives the same bytes. */
function entry(name: string, bytes: Uint8Array): Buffer {
  if (name.length > 16) throw new Error(`${name} is too long for a member of an archive`)
  const fields = [
    name.padEnd(16),
    '0'.padEnd(12),
    '0'.padEnd(6),
    '0'.padEnd(6),
    '644'.padEnd(8),
    String(bytes.length).padEnd(10),
  ]
  return Buffer.concat([Buffer.from(`${fields.join('')}\`\n`), bytes, Buffer.from('\n').subarray(0, bytes.length & 1)])
}

/** The names of the function symbols that an object file of this package defines for others. */
function definedSymbols(object: Uint8Array): string[] {
  const linking = readSections(object).find((section) => section.name === 'linking')
  if (!linking) throw new Error('not an object file')
  const reader = new Reader(linking.body)
  skipLebs(reader, 3) // version, the symbol table's number and its length
  const names: string[] = []
  reader.list(() => {
    const symbolKind = reader.byte()
    const flags = reader.u32()
    if (symbolKind !== kind.data) reader.u32() // the index of what it stands for; the only data symbols here are undefined
    const name = reader.name()
    if (symbolKind === kind.function && (flags & (flag.undefined | flag.local)) === 0) names.push(name)
  })
  return names
}
