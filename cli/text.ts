// A module's text as binaryen prints it: one field (import, function, export …) after the other, each starting with a line of its own.

/** An identifier, as a regular expression. */
export const id = String.raw`\$(?:"(?:[^"\\]|\\.)*"|[^\s()]+)`
const declaration = new RegExp(String.raw`^ \((func|memory|global) (${id})`)
const string = String.raw`"((?:[^"\\]|\\.)*)"`
const importField = new RegExp(String.raw`^ \(import ${string} ${string} \((\w+) (${id})`)
const exportField = new RegExp(String.raw`^ \(export ${string} \((\w+) (${id})\)\)`)
const rootField = new RegExp(String.raw`^ \((?:elem|start|export ${string} \(func) |^ \((?!func)[\s\S]*\(ref\.func `)
const exportName = new RegExp(String.raw`^ \(export ${string}`)
const passiveData = new RegExp(String.raw`^ \(data (?:${id} )?"`)
const dataField = new RegExp(String.raw`^ \(data (?:${id} )?\(i32\.const (-?\d+)\) "(.*)"\)`)
const globalUse = new RegExp(String.raw`\(global\.[gs]et (${id})`, 'g')
const call = new RegExp(String.raw`\((?:return_call|call|ref\.func) (${id})`, 'g')
const access =
  /\(\w+\.(?:atomic\.(?:load|store|rmw)|load|store)[\w.]*(?: offset=(\d+))?(?: align=\d+)?(?: \d+)?\n\s*(?:\(i32\.const (-?\d+)\))?/g
/** Smaller offsets than this from an address that is no constant are those of a structure's fields. */
export const STATIC_FROM = 1024

/** What a field declares. */
export interface Field {
  text: string
  kind: string
  /** What the text calls it; empty for fields that declare nothing of use here. */
  id: string
  /** Where it is imported from. */
  from?: { module: string; name: string }
}

export interface Export {
  name: string
  kind: string
  id: string
}

/** Splits the text of a module into its fields. */
export function parseFields(text: string): Field[] {
  const body = text.slice(text.indexOf('\n') + 1, text.lastIndexOf('\n)'))
  return body.split(/\n(?= \()/).map((text) => {
    const imported = importField.exec(text)
    if (imported) {
      const from = { module: plain(imported[1]), name: plain(imported[2]) }
      return { text, kind: imported[3], id: imported[4], from }
    }
    const declared = declaration.exec(text)
    return { text, kind: declared?.[1] ?? '', id: declared?.[2] ?? '' }
  })
}

/** An imported field, imported from somewhere else. */
export function importFrom(field: Field, module: string, name: string): Field {
  const source = new RegExp(String.raw`^ \(import ${string} ${string}`)
  return { ...field, text: field.text.replace(source, () => ` (import "${module}" "${name}"`) }
}

/** The module's functions, imported ones first, in the order of their indices. */
export const functionsOf = (fields: Field[]): Field[] => fields.filter(({ kind }) => kind === 'func')
/** The functions that the module has itself. */
export const ownFunctionsOf = (fields: Field[]): Field[] => functionsOf(fields).filter(({ from }) => !from)

export const printFields = (fields: Field[]) => `(module\n${fields.map((field) => field.text).join('\n')}\n)\n`

const escaped = /\\(?:([\da-f]{2})|(.))|[^\\]+/gs
const special: Record<string, string> = { t: '\t', n: '\n', r: '\r' }

/** The bytes of a string. */
function bytesOf(text: string): Buffer {
  const parts = Array.from(text.matchAll(escaped), ([all, hex, character]) =>
    hex ? Buffer.from(hex, 'hex') : Buffer.from(character ? (special[character] ?? character) : all),
  )
  return Buffer.concat(parts)
}
/** A string as its author wrote it. */
const plain = (text: string) => bytesOf(text).toString()

/** A name as its author wrote it. */
export const nameOf = (id: string): string => plain(id.replace(/^\$"?|"$/g, ''))

/** What to call a function: its name or, where it has none, its index in the module, in which the imported ones come first. */
export const labelOf = (id: string, fields: Field[]): string =>
  /^\$\d+$/.test(id) ? `${functionsOf(fields).findIndex((field) => field.id === id)}` : nameOf(id)

/** The names that stand behind a word, such as those of a function's parameters behind `param`. */
export const idsAfter = (word: string, text: string): string[] =>
  [...text.matchAll(new RegExp(String.raw`\(${word} (${id})`, 'g'))].map(([, found]) => found)

/** A function's parameters and results: `i32 i32 -> i32`. */
export function signatureOf(field: Field): string {
  const header = field.text.split('\n', 1)[0]
  const types = (word: string) =>
    [...header.matchAll(new RegExp(String.raw`\(${word} (?:${id} )?([^)]*)\)`, 'g'))].map(([, list]) => list).join(' ')
  return `${types('param')} -> ${types('result')}`
}

export function exportsOf(fields: Field[]): Export[] {
  return fields.flatMap(({ text }) => {
    const match = exportField.exec(text)
    return match ? [{ name: plain(match[1]), kind: match[2], id: match[3] }] : []
  })
}

/** The constant that a function, given as text, does nothing but return. */
export function constantReturned(text: string): number | undefined {
  const value = /^ \(func [^\n]*\n\s*\(i32\.const (-?\d+)\)\n \)$/.exec(text)?.[1]
  return value === undefined ? undefined : Number(value) >>> 0
}

/** Whether a function calls another one with this operand first. */
export const handsOn = ({ text }: Field, callee: string, operand: string): boolean =>
  text
    .split(`(call ${callee}\n`)
    .some((rest, index) => index > 0 && rest.trimStart().startsWith(`(local.get ${operand})`))

/** Functions that run whatever happens, or that others can get hold of: exported, in a table or a global, at the start. */
export function rootFunctions(fields: Field[]): string[] {
  const roots = fields.filter(({ text }) => rootField.test(text))
  return roots.flatMap(({ text }) => text.replace(exportName, ' (export').match(new RegExp(id, 'g')) ?? [])
}

/** One past the last byte that the module's own data are put at; Infinity if a place is no constant. */
export function dataEnd(fields: Field[]): number {
  const ends = fields.flatMap(({ text }) => {
    if (!text.startsWith(' (data ') || passiveData.test(text)) return []
    const match = dataField.exec(text)
    if (match?.[2] === '') return []
    return [match ? (Number(match[1]) >>> 0) + bytesOf(match[2]).length : Number.POSITIVE_INFINITY]
  })
  return Math.max(0, ...ends)
}

/** The word that the module's own data put at an address; where they put nothing is zero. */
export function initialWord(fields: Field[], address: number): number {
  const word = Buffer.alloc(4)
  for (const { text } of fields) {
    const match = dataField.exec(text)
    if (!match) continue
    const bytes = bytesOf(match[2])
    const at = address - (Number(match[1]) >>> 0)
    word.forEach((byte, i) => {
      word[i] = bytes[at + i] ?? byte
    })
  }
  return word.readUInt32LE()
}

/** Constants that a function adds to something, as it does to find an element of a static array. */
function summands(text: string): number[] {
  const openers: string[] = []
  return text.split('\n').flatMap((line) => {
    const depth = line.search(/\S/)
    openers[depth] = line
    const constant = /^ *\(i32\.const (\d+)\)/.exec(line)
    return constant && openers[depth - 1]?.endsWith('(i32.add') ? [Number(constant[1])] : []
  })
}

/** What a function calls, and the state that it reads and writes: static addresses, and globals of these variables. */
export function factsOf(field: Field, variables = new Set<string>()): { calls: string[]; state: (number | string)[] } {
  const accesses = [...field.text.matchAll(access)].flatMap(([, offset, base]) => {
    const address = Number(offset ?? 0) + Number(base ?? 0)
    return base === undefined && address < STATIC_FROM ? [] : [address]
  })
  const elements = summands(field.text).filter((address) => address >= STATIC_FROM)
  const globals = [...field.text.matchAll(globalUse)].map(([, id]) => id).filter((id) => variables.has(id))
  return {
    calls: [...field.text.matchAll(call)].map(([, callee]) => callee),
    state: [...accesses, ...elements, ...globals],
  }
}
