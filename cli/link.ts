// Puts granary into a finished module: in place of the malloc that it imports, or of the one that it contains.

import { findErrno, findHeapBase, findMemory, type Memory } from './addresses.ts'
import { load, type Module, merge, optimise, read, simplified } from './binaryen.ts'
import { checkBackingHeap, checkBegin, checkGiven, checkHeaders, checkState } from './checks.ts'
import { LinkError } from './error.ts'
import { coreFunction, type Family, findFamily, type Program } from './functions.ts'
import { checkGrowth, findGrowth, type Growth, growFunction } from './growth.ts'
import { customSections, functionNames, withSections } from './sections.ts'
import { exportsOf, type Field, importFrom, labelOf, nameOf, parseFields, printFields, signatureOf } from './text.ts'
import { isModule, type SectionBytes } from './wasm.ts'

/** What the user says of a module that does not say it. */
export interface LinkOptions {
  /** The address where its heap may begin. */
  heapBase?: number
  /** The names in C of functions of the malloc family. The key is a function's index in the module, where imported functions come
   *  first, or the name of its export. */
  functions?: Map<number | string, string>
}

/** What `link` did. Sizes in bytes. */
export interface LinkReport {
  /** The address where the heap begins. */
  heapBase: number
  /** The imports that granary now provides, as `module.name`. */
  imports: string[]
  /** The functions of the module that are now granary's. */
  replaced: string[]
  /** Whether the module says where its errno is. */
  errno: boolean
  /** The size of the module as it was given. */
  before: number
  /** Its size with its own allocator, optimised and without debug information, as the linked module is. */
  optimised: number
  /** The size of the linked module. */
  after: number
}

/** Links granary's core into a program. Throws a LinkError where that would not be safe. */
export async function link(
  program: Uint8Array,
  core: Uint8Array,
  options: LinkOptions = {},
): Promise<{ wasm: Uint8Array; report: LinkReport }> {
  const binaryen = await load()
  const sections = sectionsOf(program)
  checkSections(sections)
  const app = fieldsOf(read(binaryen, program))
  const heap = fieldsOf(read(binaryen, core))
  const names = functionNames(program)
  const simple = fieldsOf(simplified(binaryen, program))
  const plan = planOf({ app, simple, names }, heap, options)
  check(simple, plan, options)

  const merged = merge(binaryen, {
    [PROGRAM]: printFields(lend(app, heap, plan)),
    [HEAP]: printFields(borrow(heap, plan)),
  })
  const exported = new Set(exportsOf(app).map(({ name }) => name))
  for (const { name } of exportsOf(fieldsOf(merged))) if (!exported.has(name)) merged.removeExport(name)

  // What other tools keep in a module, such as the types of a component's interface.
  const kept = sections.filter(({ name }) => !outdated.test(name))
  const optimised = (module: Module) => optimise(binaryen, module, names.size > 0)
  const wasm = withSections(optimised(merged), kept)
  const sizes = {
    before: program.length,
    optimised: optimised(read(binaryen, program)).length,
    after: wasm.length,
  }
  return { wasm, report: { ...reportOf(app, plan), ...sizes } }
}

/** What was found in a program, by which it is linked. */
interface Plan extends Family {
  memory: Memory
  /** The import by which its host grows the memory or hears of growth, if there is one. */
  growth?: Growth
  heapBase: number
  /** The address of its errno. */
  errno?: number
}

/** A program's custom sections; none of what is no sound module, which binaryen refuses then. */
function sectionsOf(program: Uint8Array): SectionBytes[] {
  try {
    return isModule(program) ? customSections(program) : []
  } catch {
    return []
  }
}

/** Refuses what is no finished program. */
function checkSections(sections: SectionBytes[]): void {
  if (sections.some(({ name }) => name === 'linking'))
    throw new LinkError('this is an object file, not a module: give granary.o to the linker, with it')
  if (sections.some(({ name }) => name === 'dylink.0'))
    throw new LinkError(
      'this module is linked when it is loaded (it has dylink.0): only then is it known where its heap may begin',
    )
}

/** Finds what linking has to know of a program. */
function planOf(program: Program, heap: Field[], options: LinkOptions): Plan {
  const { app, names } = program
  const memory = findMemory(app)
  if ([...names.values()].some((name) => name === 'granary_set_errno' || name.startsWith('assembly/malloc/')))
    throw new LinkError('granary is in this module already')
  const family = findFamily(program, heap, options.functions)
  const growth = findGrowth(app, family)
  const heapBase = findHeapBase(app, memory, options.heapBase, growth)
  return { ...family, memory, growth, heapBase, errno: findErrno(app) }
}

/** Refuses a program, given in simplified form, that uses its heap in a way that is not safe with granary's. */
function check(app: Field[], { memory, replaced, signatures, growth, heapBase }: Plan, given: LinkOptions): void {
  checkState(app, replaced, signatures)
  checkBackingHeap(app, replaced)
  checkHeaders(app, replaced, signatures)
  if (growth) checkGrowth(app, replaced, growth)
  // A program can keep nothing where its initial memory ends, but that round number often occurs in it for other reasons.
  if (given.heapBase !== memory.size) checkBegin(app, replaced, heapBase)
  if (given.heapBase !== undefined) checkGiven(app, replaced, heapBase, memory.size)
}

/** The program's fields, taking the family from granary, and with exports of what granary takes from the program. */
function lend(app: Field[], heap: Field[], { memory, imports, replaced, growth, heapBase, errno }: Plan): Field[] {
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
function borrow(heap: Field[], { growth }: Plan): Field[] {
  const fields = heap.map(borrowed)
  return growth ? growBy(fields) : fields
}

/** What was found and done, but for sizes. */
function reportOf(app: Field[], { imports, replaced, heapBase, errno }: Plan) {
  return {
    heapBase,
    imports: app.flatMap(({ kind, id, from }) =>
      from && kind === 'func' && imports.has(id) ? [`${from.module}.${from.name}`] : [],
    ),
    replaced: [...replaced].map(([id, base]) =>
      nameOf(id) === base ? base : `${base} (function ${labelOf(id, app)})`,
    ),
    errno: errno !== undefined,
  }
}

/** Custom sections whose content no longer holds once a module is linked; binaryen writes a new section of names. */
const outdated =
  /^(?:name|target_features|linking|reloc\..*|\.debug_.*|sourceMappingURL|external_debug_info|metadata\.code\..*)$/

/** What both are called while they import from each other: no module that they import from otherwise is called so. */
const PROGRAM = 'granary link program'
const HEAP = 'granary link heap'
/** The address of errno; 0 in a module that does not say it. */
const ownErrno = '$"granary link errno"'
/** The function that grows the memory, where the module's host does that or must hear of it. */
const grow = '$"granary link grow"'
/** Where the module's heap begins. */
const ownBase = '$"granary link heap base"'
/** Where the memory ends that the module begins with; 0 if that is for its host to say. */
const ownEnd = '$"granary link heap end"'

/** The fields of a module. */
function fieldsOf(module: Module): Field[] {
  let text: string
  try {
    text = module.emitText()
  } catch {
    throw new LinkError('binaryen cannot print this module as text: it is too large for that')
  }
  return parseFields(text)
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
