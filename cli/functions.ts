// Finds the functions of a program that granary's are put in place of.

import { LinkError } from './error.ts'
import { allocates, mallocFamily } from './family.ts'
import { exportsOf, type Field, factsOf, handsOn, idsAfter, labelOf, nameOf, signatureOf } from './text.ts'

/** The functions that granary provides to a program. */
const family = new Set([...mallocFamily, 'sbrk', 'brk'])

/** What C libraries and allocators call these functions among themselves, in front of the usual name. */
const prefix = /^(?:__libc_|emscripten_builtin_|dl)(?=\w*(?:alloc|align|free))/

/** The functions to put granary's in place of, by their names in the text. */
export interface Family {
  /** Imported functions and the names of granary's. */
  imports: Map<string, string>
  /** The same for functions that the module has. */
  replaced: Map<string, string>
  /** What functions of the family take and return. */
  signatures: Set<string>
}

/** Finds the functions to put granary's in place of; refuses what has another signature than C gives it. */
export function findFamily(
  app: Field[],
  heap: Field[],
  written: string[],
  given = new Map<number | string, string>(),
): Family {
  const functions = app.filter((field) => field.kind === 'func')
  const names = new Map(functions.map((field) => [field.id, field.from?.name ?? nameOf(field.id)]))
  for (const name of family) {
    // binaryen gives the second function of a name another one.
    if (written.indexOf(name) !== written.lastIndexOf(name))
      throw new LinkError(`two functions are called ${name}: nobody can tell which one allocates`)
  }
  for (const { id, kind, name } of exportsOf(app)) {
    const isFamily = kind === 'func' && family.has(name.replace(prefix, ''))
    if (isFamily && !functions.find((field) => field.id === id)?.from) names.set(id, name)
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
    names.set(own.id, name)
    told.add(own.id)
  }
  const signatures = new Set([...family].map((name) => signatureOf(functionOf(name, heap))))
  const found: Family = { imports: new Map(), replaced: new Map(), signatures }
  for (const field of functions) {
    const base = (names.get(field.id) ?? '').replace(prefix, '')
    if (!family.has(base) || field.from?.module.startsWith('wasi')) continue
    const wanted = signatureOf(functionOf(base, heap))
    if (signatureOf(field) !== wanted) {
      throw new LinkError(`${names.get(field.id)} takes and returns ${signatureOf(field)} where C's has ${wanted}`)
    }
    const list = field.from ? found.imports : found.replaced
    list.set(field.id, base)
  }
  for (const [id, base] of found.replaced) {
    const inner = passedOnTo(functions, id)
    if (inner && !inner.from && !found.replaced.has(inner.id)) found.replaced.set(inner.id, base)
  }
  for (const field of functions) {
    const base = found.replaced.get(field.id) ?? ''
    if (!told.has(field.id) || !/^(?:memalign|aligned_alloc)$/.test(base) || !takesSizeFirst(field, found)) continue
    throw new LinkError(
      `function ${labelOf(field.id, app)} takes the size first, as C++'s aligned operator new does, and is not ${base}, which takes the alignment first`,
    )
  }
  const bases = [...found.imports.values(), ...found.replaced.values()]
  if (!bases.includes('malloc') && (found.replaced.size > 0 || !bases.some((base) => allocates.test(base)))) {
    const kept =
      written.length > 0
        ? ''
        : 'its names were stripped (clang runs wasm-opt where that is installed): link it with --no-wasm-opt, or export them with -Wl,--export=malloc,--export=free, or '
    throw new LinkError(
      `the module neither imports malloc nor has a function that its names or exports call malloc: ${kept}name it if it is there, with --function malloc=INDEX`,
    )
  }
  if (found.replaced.size > 0 && !bases.includes('free')) {
    throw new LinkError(
      'the module has a malloc, but no function that its names or exports call free: keep the names (do not strip), or link it with -Wl,--export=free if the program never frees, or name it with --function free=INDEX',
    )
  }
  return found
}

/** Whether a function of two operands rounds by the second alone, or hands the first to malloc; not if it puts other values in their place. */
function takesSizeFirst(field: Field, { replaced }: Family): boolean {
  const [size, alignment] = idsAfter('param', field.text.split('\n', 1)[0])
  const set = idsAfter('local.(?:set|tee)', field.text)
  const negated = [...field.text.matchAll(/\(i32\.sub\s+\(i32\.const 0\)\s+\(local\.get (.+)\)/g)].map(([, id]) => id)
  const rounds = negated.includes(alignment) && !negated.includes(size)
  const mallocs = [...replaced.keys()].filter((id) => replaced.get(id) === 'malloc')
  const hands = mallocs.some((malloc) => handsOn(field, malloc, size))
  return (rounds && !set.includes(alignment)) || (hands && !set.includes(size))
}

/**
 * The function that does the work where this one only hands its operands on, in their order, as the malloc of some C libraries does. wasm-ld
 * exports functions of a program with a `main` through another function, which also runs constructors and destructors. The program itself
 * calls the inner one.
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
export function functionOf(name: string, heap: Field[]): Field {
  const id = exportsOf(heap).find((entry) => entry.name === name)?.id
  const found = heap.find((field) => field.kind === 'func' && field.id === id)
  if (!found) throw new LinkError(`this build of granary has no ${name}`)
  return found
}
