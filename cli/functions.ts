// Finds the functions of a program that granary's are put in place of.

import { type Facts, factsOfAll, idsOf, reach } from './calls.ts'
import { LinkError } from './error.ts'
import { allocatorName, mallocFamily } from './family.ts'
import { variablesOf } from './globals.ts'
import { allocatorState } from './state.ts'
import { exportsOf, type Field, factsOf, functionsOf, handsOn, idsAfter, labelOf, signatureOf } from './text.ts'

/** The functions that granary provides to a program. */
const family = new Set([...mallocFamily, 'sbrk', 'brk'])

/** What C libraries and allocators call these functions among themselves, in front of the usual name. */
const prefix = /^(?:__libc_|emscripten_builtin_|dl)(?=\w*(?:alloc|align|free))/

const baseOf = (name: string) => name.replace(prefix, '')

/** What an import is called in C: Emscripten's JavaScript puts an underscore in front. */
const importedName = (name: string) => (family.has(name.slice(1)) ? name.replace(/^_/, '') : name)

/** Names of which the name section alone is believed: nothing but an allocator's is called so. */
const unmistakable = /^(?:malloc|free|malloc_usable_size)$/
/** Names that programs also give to functions of their own, which may well call malloc or free: for these, it is not believed at all.
 *  If one is C's after all, it calls malloc and works on granary's, or it uses the old allocator directly and is refused. */
const ambiguous = /^(?:valloc|pvalloc|free_sized|free_aligned_sized)$/

/**
 * Makes a test for functions that only the name section calls by a name of the family: whether one is the allocator's or the program's own.
 * The allocator's sbrk and brk are called by its malloc or free, or grow the memory; its other functions call its malloc or free, or use
 * their state. `named` are all functions with names of the family, and these names.
 */
function allocatorTest(simple: Field[], named: Map<string, string>): (id: string, base: string) => boolean {
  const variables = variablesOf(simple)
  const facts: Facts = factsOfAll(simple, variables)
  const heads = new Map([...named].filter(([, base]) => base === 'malloc' || base === 'free'))
  const reachedByHeads = reach(facts, heads.keys())
  const state = allocatorState(facts, heads)
  const growers = new Set(simple.filter(({ text }) => text.includes('(memory.grow')).map(({ id }) => id))
  return (id, base) => {
    if (unmistakable.test(base)) return true
    if (ambiguous.test(base)) return false
    const reached = [...reach(facts, [id], heads)]
    if (/^s?brk$/.test(base)) return reachedByHeads.has(id) || reached.some((callee) => growers.has(callee))
    return reached.some((callee) => heads.has(callee) || facts.get(callee)?.state.some((place) => state.has(place)))
  }
}

/** The functions to put granary's in place of, by their names in the text. */
export interface Family {
  /** Imported functions and the names of granary's. */
  imports: Map<string, string>
  /** The same for functions that the module has. */
  replaced: Map<string, string>
  /** What functions of the family take and return. */
  signatures: Set<string>
}

/** A program as findFamily takes it. */
export interface Program {
  app: Field[]
  /** The same, simplified. */
  simple: Field[]
  /** The functions' names by index from the name section. */
  names: Map<number, string>
}

/** What the functions of a program are called, by their names in the text. */
interface Named {
  functions: Field[]
  /** The name of a function, or an empty one. */
  nameOf(id: string): string
  /** The same without what C libraries put in front. */
  baseNameOf(id: string): string
  /** Functions whose names come from an import, an export or the user, not from the name section alone. */
  sure: Set<string>
  /** Those whose names come from the user. */
  told: Set<string>
}

/** Finds the functions to put granary's in place of; refuses what has another signature than C gives it. */
export function findFamily(program: Program, heap: Field[], given: Map<number | string, string> = new Map()): Family {
  const named = namesIn(program, given)
  const found = functionsSoCalled(program, heap, named)
  const handsTo = withInner(found, named)
  for (const id of wrappers(program.app, found, handsTo)) if (!named.told.has(id)) found.replaced.delete(id)
  refuseTwins(found, named, handsTo)
  refuseSizeFirst(program.app, found, named)
  refuseIncomplete(found, program.names.size > 0)
  return found
}

/** Finds what the functions are called. What the user has `given` counts most, then exports, then the name section. */
function namesIn({ app, names: written }: Program, given: Map<number | string, string>): Named {
  const functions = functionsOf(app)
  const names = new Map(
    functions.map(({ id, from }, index) => [id, from ? importedName(from.name) : (written.get(index) ?? '')]),
  )
  const sure = new Set(functions.filter(({ from }) => from).map(({ id }) => id))
  for (const { id, kind, name } of exportsOf(app)) {
    if (kind !== 'func' || !family.has(baseOf(name)) || functions.find((field) => field.id === id)?.from) continue
    names.set(id, name)
    sure.add(id)
  }
  const told = new Set<string>()
  for (const [index, name] of given) {
    if (!family.has(name)) throw new LinkError(`${name} is none of ${[...family].join(', ')}`)
    const exported = exportsOf(app).find((entry) => entry.kind === 'func' && entry.name === index)
    const own = typeof index === 'number' ? functions.at(index) : functions.find(({ id }) => id === exported?.id)
    if (!own || own.from) {
      const which = typeof index === 'number' ? `with the index ${index}` : `that it exports as ${index}`
      throw new LinkError(`the module has no function of its own ${which}`)
    }
    if (told.has(own.id) && names.get(own.id) !== name)
      throw new LinkError(`function ${labelOf(own.id, app)} is said to be ${names.get(own.id)}, and to be ${name}`)
    names.set(own.id, name)
    sure.add(own.id)
    told.add(own.id)
  }
  const nameOf = (id: string) => names.get(id) ?? ''
  return { functions, nameOf, baseNameOf: (id) => baseOf(nameOf(id)), sure, told }
}

/** The functions with names of the family that are the allocator's. */
function functionsSoCalled({ simple }: Program, heap: Field[], { functions, nameOf, baseNameOf, sure }: Named): Family {
  const candidates = functions.filter(({ id }) => family.has(baseNameOf(id)))
  const isOfAllocator = allocatorTest(simple, new Map(candidates.map(({ id }) => [id, baseNameOf(id)])))
  // Where malloc or free is imported, what only the name section calls so is the program's own.
  const isImported = candidates.some(({ id, from }) => from && unmistakable.test(baseNameOf(id)))
  const signatures = new Set([...family].map((name) => signatureOf(coreFunction(name, heap))))
  const found: Family = { imports: new Map(), replaced: new Map(), signatures }
  for (const field of candidates) {
    const base = baseNameOf(field.id)
    if (!sure.has(field.id) && (isImported || !isOfAllocator(field.id, base))) continue
    const wanted = signatureOf(coreFunction(base, heap))
    if (signatureOf(field) !== wanted)
      throw new LinkError(`${nameOf(field.id)} takes and returns ${signatureOf(field)} where C's has ${wanted}`)
    const list = field.from ? found.imports : found.replaced
    list.set(field.id, base)
  }
  return found
}

/** Replaces the functions, too, that found ones only hand their operands on to. Returns which hands them to which. */
function withInner({ replaced }: Family, { functions }: Named): Map<string, string> {
  const handsTo = new Map<string, string>()
  for (const [id, base] of replaced) {
    const inner = passedOnTo(functions, id)
    if (!inner || inner.from) continue
    if (!replaced.has(inner.id)) replaced.set(inner.id, base)
    if (replaced.get(inner.id) === base) handsTo.set(id, inner.id)
  }
  return handsTo
}

/** Refuses a module with two functions of one name that do their own work each. */
function refuseTwins({ replaced }: Family, { nameOf, baseNameOf, told }: Named, handsTo: Map<string, string>): void {
  const workers = new Map<string, string>()
  for (const id of replaced.keys()) {
    const name = nameOf(id)
    const worker = chainOf(id, handsTo).at(-1) ?? id
    if (!family.has(baseNameOf(id)) || told.has(id)) continue
    if ((workers.get(name) ?? worker) !== worker)
      throw new LinkError(`two functions are called ${name}: nobody can tell which one allocates`)
    workers.set(name, worker)
  }
}

/** Refuses a function that the user calls memalign or aligned_alloc, but that takes the size first. */
function refuseSizeFirst(app: Field[], found: Family, { functions, told }: Named): void {
  for (const field of functions) {
    const base = found.replaced.get(field.id) ?? ''
    if (!told.has(field.id) || !/^(?:memalign|aligned_alloc)$/.test(base) || !takesSizeFirst(field, found)) continue
    throw new LinkError(
      `function ${labelOf(field.id, app)} takes the size first, as C++'s aligned operator new does, and is not ${base}, which takes the alignment first`,
    )
  }
}

/** Refuses a module without a malloc, or with one but no free. */
function refuseIncomplete({ imports, replaced }: Family, hasNames: boolean): void {
  const bases = [...imports.values(), ...replaced.values()]
  if (!bases.includes('malloc') && (replaced.size > 0 || !bases.some((base) => allocatorName.test(base)))) {
    const kept = hasNames
      ? ''
      : 'its names were stripped (clang runs wasm-opt where that is installed): link it with --no-wasm-opt, or export them with -Wl,--export=malloc,--export=free, or '
    throw new LinkError(
      `the module neither imports malloc nor has a function that its names or exports call malloc: ${kept}name it if it is there, with --function malloc=INDEX`,
    )
  }
  if (replaced.size > 0 && !bases.includes('free')) {
    throw new LinkError(
      'the module has a malloc, but no function that its names or exports call free: keep the names (do not strip), or link it with -Wl,--export=free if the program never frees, or name it with --function free=INDEX',
    )
  }
}

/** A function with those that it hands its operands on to, one after the other. */
function chainOf(id: string, handsTo: Map<string, string>): string[] {
  const chain = new Set([id])
  for (const outer of chain) chain.add(handsTo.get(outer) ?? outer)
  return [...chain]
}

/**
 * Functions that call another one of the same name in C and do more than hand it their operands: a malloc for the host, say, that writes
 * the size in front of the block which it gets from the C library's. Also those that call an imported function of the malloc family. They
 * and others that read such a word are the program's own, and run on granary's functions as they did on those that they called.
 */
function wrappers(app: Field[], { imports, replaced }: Family, handsTo: Map<string, string>): string[] {
  const facts = factsOfAll(app)
  const isImported = (id: string) => mallocFamily.includes(imports.get(id) ?? '')
  const isWrapper = (id: string) =>
    [...reach(facts, [id])].some((callee) => callee !== id && (isImported(callee) || sameBase(callee, id)))
  const sameBase = (one: string, other: string) => replaced.get(one) === replaced.get(other)
  return [...replaced.keys()].filter((id) => isWrapper(chainOf(id, handsTo).at(-1) ?? id))
}

/** Whether a function of two operands takes the size first: it negates only the second, as is done to round by it, or hands the first to
 *  malloc. An operand that it also assigns to proves nothing. */
function takesSizeFirst(field: Field, { replaced }: Family): boolean {
  const [size, alignment] = idsAfter('param', field.text.split('\n', 1)[0])
  const set = idsAfter('local.(?:set|tee)', field.text)
  const negated = [...field.text.matchAll(/\(i32\.sub\s+\(i32\.const 0\)\s+\(local\.get (.+)\)/g)].map(([, id]) => id)
  const rounds = negated.includes(alignment) && !negated.includes(size)
  const hands = idsOf(replaced, 'malloc').some((malloc) => handsOn(field, malloc, size))
  return (rounds && !set.includes(alignment)) || (hands && !set.includes(size))
}

/**
 * The function that does the work where this one only hands its operands on, in their order, as the malloc of some C libraries does. In a
 * program with a `main`, wasm-ld exports functions through wrappers, which also run constructors and destructors; the program itself calls
 * the inner functions.
 */
function passedOnTo(functions: Field[], id: string): Field | undefined {
  const outer = functions.find((field) => field.id === id)
  const [header, ...body] = outer?.text.split('\n') ?? []
  if (!outer || body.some((line) => !/^\s*(?:\((?:call|local(?:\.[sg]et)?|return)\b.*|\))$/.test(line)))
    return undefined
  const called = functions.filter((field) => factsOf(outer).calls.includes(field.id))
  const inner = called.filter((field) => signatureOf(field) === signatureOf(outer))
  const others = called.filter((field) => !inner.includes(field) && signatureOf(field) !== ' -> ')
  const params = idsAfter('param', header)
  const operands = idsAfter('local.get', body.join('\n'))
  const hasResult = signatureOf(outer).endsWith('-> i32') ? 1 : 0
  const isPlain = operands.length === params.length || operands.length === params.length + hasResult
  const isWhole = inner.length === 1 && others.length === 0 && params.every((param, i) => param === operands[i])
  return isWhole && isPlain ? inner[0] : undefined
}

/** The core's function of this name. */
export function coreFunction(name: string, heap: Field[]): Field {
  const id = exportsOf(heap).find((entry) => entry.name === name)?.id
  const found = heap.find((field) => field.kind === 'func' && field.id === id)
  if (!found) throw new LinkError(`this build of granary has no ${name}`)
  return found
}
