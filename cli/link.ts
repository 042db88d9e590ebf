// Puts granary into a finished module: in place of the malloc that it imports, or of the one that it contains.

import { load, type Module, merge, optimise, read, simplified } from './binaryen.ts'
import { checkBackingHeap, checkBegin, checkGiven, checkHeaders, checkState } from './checks.ts'
import { LinkError } from './error.ts'
import { borrow, HEAP, lend, PROGRAM } from './exchange.ts'
import { checkGrowth } from './growth.ts'
import { type LinkOptions, type Plan, planOf } from './plan.ts'
import { customSections, functionNames, withSections } from './sections.ts'
import { exportsOf, type Field, labelOf, nameOf, parseFields, printFields } from './text.ts'
import { isModule, type SectionBytes } from './wasm.ts'

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
