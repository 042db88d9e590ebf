// What a program and granary's core import from each other while they are merged.

import { LinkError } from './error.ts'
import { coreFunction } from './functions.ts'
import { growFunction } from './growth.ts'
import type { Plan } from './plan.ts'
import { exportsOf, type Field, importFrom, signatureOf } from './text.ts'

/** What both are called while they import from each other: no module that they import from otherwise is called so. */
export const PROGRAM = 'granary link program'
export const HEAP = 'granary link heap'
/** The address of errno; 0 in a module that does not say it. */
const ownErrno = '$"granary link errno"'
/** The function that grows the memory, where the module's host does that or must hear of it. */
const grow = '$"granary link grow"'
/** Where the module's heap begins. */
const ownBase = '$"granary link heap base"'
/** Where the memory ends that the module begins with; 0 if that is for its host to say. */
const ownEnd = '$"granary link heap end"'

/** The program's fields, taking the family from granary, and with exports of what granary takes from the program. */
export function lend(
  app: Field[],
  heap: Field[],
  { memory, imports, replaced, growth, heapBase, errno }: Plan,
): Field[] {
  const taken = exportsOf(app).find(({ name }) => name.startsWith('granary.'))
  if (taken) throw new LinkError(`the module exports ${taken.name}: names that begin so are used for linking`)
  const linked = app.map((field) => {
    if (field.kind !== 'func') return field
    const base = replaced.get(field.id)
    if (base !== undefined) return { ...field, text: callGranary(field, base) }
    const name = imports.get(field.id)
    return name === undefined ? field : importFrom(field, HEAP, `granary.${name}`)
  })
  const targets = [...new Set(replaced.values())].map((name) => importOf(name, heap))
  const lent = [
    `(export "granary.memory" (memory ${memory.id}))`,
    `(global ${ownBase} i32 (i32.const ${heapBase}))`,
    `(export "granary.__heap_base" (global ${ownBase}))`,
    `(global ${ownEnd} i32 (i32.const ${memory.isImported ? 0 : memory.size}))`,
    `(export "granary.__heap_end" (global ${ownEnd}))`,
    `(global ${ownErrno} i32 (i32.const ${errno ?? 0}))`,
    `(export "granary.errno" (global ${ownErrno}))`,
    ...(growth ? [growFunction(grow, growth), `(export "granary.grow" (func ${grow}))`] : []),
  ]
  return [...targets.map(field), ...linked, ...lent.map(field)]
}

/** The core's fields, taking from the program what it lends. */
export function borrow(heap: Field[], { growth }: Plan): Field[] {
  const fields = heap.map(borrowed)
  return growth ? growBy(fields) : fields
}

/** A field of these words. */
const field = (text: string): Field => ({ text: ` ${text}`, kind: '', id: '' })

const imported = (name: string) => `$"granary link ${name}"`

/** The import by which a program gets one of granary's functions. */
function importOf(name: string, heap: Field[]): string {
  const [params, results] = signatureOf(coreFunction(name, heap)).split(' -> ')
  return `(import "${HEAP}" "granary.${name}" (func ${imported(name)} (param ${params}) (result ${results})))`
}

/** A function that does nothing but call granary's. */
function callGranary(field: Field, name: string): string {
  const [params, results] = signatureOf(field).split(' -> ')
  const operands = params.split(' ').map((_, index) => `(local.get ${index})`)
  return ` (func ${field.id} (param ${params}) (result ${results})\n  (call ${imported(name)} ${operands.join(' ')})\n )`
}

/** A field of the core, renamed for merging: imports take the memory and addresses from the program, and set_errno from the core itself;
 *  exports get names that no program exports. */
function borrowed(field: Field): Field {
  if (field.text.startsWith(' (export "')) return { ...field, text: field.text.replace('"', '"granary.') }
  if (!field.from) return field
  const { name } = field.from
  return field.kind === 'func'
    ? importFrom(field, HEAP, `granary.granary_${name}`)
    : importFrom(field, PROGRAM, `granary.${name}`)
}

/** The core's fields, which have the program's function grow the memory. */
function growBy(heap: Field[]): Field[] {
  const fields = heap.map((field) => ({ ...field, text: field.text.replaceAll('(memory.grow', `(call ${grow}`) }))
  return [field(`(import "${PROGRAM}" "granary.grow" (func ${grow} (param i32) (result i32)))`), ...fields]
}
