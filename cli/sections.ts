// The custom sections of a binary module.

/** One custom section. */
export interface CustomSection {
  name: string
  /** What follows the name. */
  content: Uint8Array
}

/** An unsigned LEB128 number of up to 32 bits, and the offset behind it. */
function readNumber(bytes: Uint8Array, offset: number): [value: number, end: number] {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[offset++]
    value |= (byte & 0x7f) << shift
    if (!(byte & 0x80)) return [value >>> 0, offset]
  }
}
function numberOf(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...numberOf(value >>> 7)]
}
/** Bytes behind their number, and the offset behind them. */
function readBytes(bytes: Uint8Array, offset: number): [content: Uint8Array, end: number] {
  const [length, start] = readNumber(bytes, offset)
  return [bytes.subarray(start, start + length), start + length]
}

const custom = 0
const text = new TextDecoder()

export function customSections(module: Uint8Array): CustomSection[] {
  const sections: CustomSection[] = []
  for (let offset = 8; offset < module.length; ) {
    const id = module[offset]
    const [body, end] = readBytes(module, offset + 1)
    if (id === custom) {
      const [name, start] = readBytes(body, 0)
      sections.push({ name: text.decode(name), content: body.subarray(start) })
    }
    offset = end
  }
  return sections
}

/** The module with these sections behind its own. */
export function withSections(module: Uint8Array, sections: CustomSection[]): Uint8Array {
  const added = sections.map(({ name, content }) => {
    const title = Buffer.from(name)
    const body = Buffer.concat([Buffer.from(numberOf(title.length)), title, content])
    return Buffer.concat([Buffer.from([custom, ...numberOf(body.length)]), body])
  })
  return Buffer.concat([module, ...added])
}

/** The names that the name section gives functions, one for each function that has any. */
export function functionNames(module: Uint8Array): string[] {
  const content = customSections(module).find(({ name }) => name === 'name')?.content ?? new Uint8Array()
  const names: string[] = []
  for (let offset = 0; offset < content.length; ) {
    const ofFunctions = content[offset] === 1
    const [list, end] = readBytes(content, offset + 1)
    for (let [, at] = readNumber(list, 0); ofFunctions && at < list.length; ) {
      const [, start] = readNumber(list, at)
      const [name, next] = readBytes(list, start)
      names.push(text.decode(name))
      at = next
    }
    offset = end
  }
  return names
}
