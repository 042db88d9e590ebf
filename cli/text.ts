// A module's text as binaryen prints it: one field (import, function, export …) after the other, each starting with a line of its own.

const id = String.raw`\$(?:"(?:[^"\\]|\\.)*"|[^\s()]+)`
const declaration = new RegExp(String.raw`^ \((func|memory|global) (${id})`)
const importField = new RegExp(String.raw`^ \(import "([^"]*)" "([^"]*)" \((\w+) (${id})`)
const exportField = new RegExp(String.raw`^ \(export "([^"]*)" \((\w+) (${id})\)\)`)
const dataField = /^ \(data (?:\S+ )?\(i32\.const (-?\d+)\) "(.*)"\)/
const call = new RegExp(String.raw`\((?:return_call|call|ref\.func) (${id})`, 'g')
const access = /\([if](?:32|64)\.(?:load|store)[\d_su]*(?: offset=(\d+))?(?: align=\d+)?\n\s*\(i32\.const (-?\d+)\)/g

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
    if (imported) return { text, kind: imported[3], id: imported[4], from: { module: imported[1], name: imported[2] } }
    const declared = declaration.exec(text)
    return { text, kind: declared?.[1] ?? '', id: declared?.[2] ?? '' }
  })
}

export const printFields = (fields: Field[]) => `(module\n${fields.map((field) => field.text).join('\n')}\n)\n`

/** A name as its author wrote it. */
export function nameOf(id: string): string {
  return id
    .replace(/^\$"?|"$/g, '')
    .replace(/\\([\da-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** A function's parameters and results: `i32 i32 -> i32`. */
export function signatureOf(field: Field): string {
  const header = field.text.split('\n', 1)[0]
  const types = (word: string) =>
    [...header.matchAll(new RegExp(String.raw`\(${word} (?:\$\S+ )?([^)]*)\)`, 'g'))].map(([, list]) => list).join(' ')
  return `${types('param')} -> ${types('result')}`
}

export function exportsOf(fields: Field[]): Export[] {
  return fields.flatMap(({ text }) => {
    const match = exportField.exec(text)
    return match ? [{ name: match[1], kind: match[2], id: match[3] }] : []
  })
}

/** Functions that run whatever happens, or that others can get hold of: exported, in a table, at the start. */
export function rootsOf(fields: Field[]): string[] {
  const roots = fields.filter(({ text }) => /^ \((elem|start|export "[^"]*" \(func) /.test(text))
  return roots.flatMap(({ text }) => text.match(new RegExp(id, 'g')) ?? [])
}

/** One past the last byte that the module's own data are put at. */
export function dataEnd(fields: Field[]): number {
  const ends = fields.flatMap(({ text }) => {
    const match = dataField.exec(text)
    return match ? [Number(match[1]) + match[2].replace(/\\[\da-f]{2}|\\./g, '.').length] : []
  })
  return Math.max(0, ...ends)
}

/** What a function calls, and the static addresses that it reads and writes. */
export function factsOf(field: Field): { calls: string[]; addresses: number[] } {
  return {
    calls: [...field.text.matchAll(call)].map(([, callee]) => callee),
    addresses: [...field.text.matchAll(access)].map(([, offset, base]) => Number(offset ?? 0) + Number(base)),
  }
}
