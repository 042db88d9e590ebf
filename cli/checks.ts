// What makes a module unsafe to link. `app` is the whole module, `replaced` its functions that are granary's instead, with their names in
// C; `signatures` are those that functions to replace may have.

import { factsOfAll, idsOf, reach, staying } from './calls.ts'
import { LinkError } from './error.ts'
import { allocatorName } from './family.ts'
import { flowOf } from './flow.ts'
import { stackTop, variablesOf } from './globals.ts'
import { withHanded } from './handed.ts'
import { headerReads, wordsRead } from './headers.ts'
import { allocatorState } from './state.ts'
import { type Field, factsOf, functionsOf, handsOn, idsAfter, labelOf, ownFunctionsOf, signatureOf } from './text.ts'
import { wordsWritten } from './written.ts'

/** Refuses a module in which functions that stay use the state of the allocator that goes: say a calloc without a name, or a free that was
 *  inlined. */
export function checkState(app: Field[], replaced: Map<string, string>, signatures: Set<string>): void {
  const own = factsOfAll(app, variablesOf(app))
  const facts = withHanded(app, own, reach(own, replaced.keys()))
  const shared = allocatorState(facts, replaced)
  for (const id of staying(app, facts, replaced)) {
    if (!facts.get(id)?.state.some((place) => shared.has(place))) continue
    throw new LinkError(
      `function ${labelOf(id, app)} uses the old allocator directly and would go on doing so: ${advice(id, app, replaced, signatures)}`,
    )
  }
}

/** Refuses a module whose old malloc is backed by another heap, if functions that stay go on using that heap, and it claims all
 *  memory up to the end, granary's included, whenever it has grown it. */
export function checkBackingHeap(app: Field[], replaced: Map<string, string>): void {
  const facts = factsOfAll(app, variablesOf(app))
  const reachedByMalloc = reach(facts, idsOf(replaced, 'malloc'))
  const takesAll = app
    .filter(({ text }) => /\(memory\.grow\n.*\n[\s\S]*\(memory\.size\)/.test(text))
    .map(({ id }) => id)
  for (const id of staying(app, facts, replaced)) {
    if (!reachedByMalloc.has(id) || !takesAll.includes(id) || facts.get(id)?.state.length === 0) continue
    throw new LinkError(
      `function ${labelOf(id, app)} grows another heap, on which malloc stands and which the program goes on using: name it if it is sbrk, with --function sbrk=INDEX`,
    )
  }
}

/**
 * Refuses a module in which functions that stay read what the old allocator keeps in front of blocks: a calloc that clears no memory whose
 * flags say that it is fresh, or a malloc_usable_size. In granary's blocks another block's bytes are there. For a pointer that need not be
 * a new block's, a read counts only if the old allocator writes a plain word at that distance, or if the word is masked as the old free
 * masks it to get the size: words in front of other things are the program's own.
 */
export function checkHeaders(app: Field[], replaced: Map<string, string>, signatures: Set<string>): void {
  const functions = ownFunctionsOf(app)
  const allocators = new Set([...replaced.keys()].filter((id) => allocatorName.test(replaced.get(id) ?? '')))
  const flows = new Map(functions.map((field) => [field.id, flowOf(field)]))
  const masked = (id: string) => {
    const flow = flows.get(id)
    return flow ? headerReads(flow, allocators) : []
  }
  const masks = idsOf(replaced, 'free').flatMap((id) => masked(id).map(({ mask }) => mask))
  const sizes = new Set(masks.filter((mask) => mask < 0))
  const words = wordsWritten(functions, allocators)
  for (const id of staying(app, factsOfAll(app), replaced)) {
    const flow = flows.get(id)
    const isPlain = flow && words.size > 0 && [...wordsRead(flow, allocators)].some((distance) => words.has(distance))
    if (!isPlain && !masked(id).some(({ mask, isNew }) => isNew || sizes.has(mask))) continue
    throw new LinkError(
      `function ${labelOf(id, app)} reads what the old allocator keeps in front of blocks, and granary does not: ${advice(id, app, replaced, signatures)}`,
    )
  }
}

/** Refuses a module in which a function that stays holds the address where the heap begins as a constant, unless it is stored to say that
 *  the stack begins there: in a global, or right before the stack's size in what a C library keeps of a thread. */
export function checkBegin(app: Field[], replaced: Map<string, string>, heapBase: number): void {
  const functions = new Map(functionsOf(app).map((field) => [field.id, field]))
  for (const id of staying(app, factsOfAll(app), replaced)) {
    const text = withoutStack(functions.get(id)?.text ?? '')
    if (!text.includes(`(i32.const ${heapBase | 0})`)) continue
    throw new LinkError(
      `function ${labelOf(id, app)} uses the address where the heap begins: what it keeps there would be overwritten`,
    )
  }
}

const constantStore = /\(i32\.store\n\s*\(i32\.const (\d+)\)\n\s*\(i32\.const (\d+)\)/g

/** A function's text without what says where the stack begins. */
function withoutStack(text: string): string {
  const stored = new Map([...text.matchAll(constantStore)].map(([, at, value]) => [Number(at), Number(value)]))
  const isSize = (size: number | undefined, begin: number) => size !== undefined && size > 0 && size <= begin
  return text
    .replace(/\(global\.set \S+\s+\(i32\.const -?\d+\)/g, '')
    .replace(constantStore, (all, at, value) => (isSize(stored.get(Number(at) + 4), Number(value)) ? '' : all))
}

/** Refuses an address from the user if the stack or a variable at a fixed address is above it, in the memory's first `size` bytes. */
export function checkGiven(app: Field[], replaced: Map<string, string>, heapBase: number, size: number): void {
  const top = stackTop(app)
  if (top > heapBase && top <= size) throw new LinkError(`the stack begins at ${top}, above --heap-base ${heapBase}`)
  const facts = factsOfAll(app)
  for (const id of staying(app, facts, replaced)) {
    const place = facts.get(id)?.state.find((place) => typeof place === 'number' && place >= heapBase && place < size)
    if (place === undefined) continue
    throw new LinkError(
      `function ${labelOf(id, app)} seems to have a variable at ${place}, above --heap-base ${heapBase}: ${size}, where the initial memory ends, is above all of them`,
    )
  }
}

/** The signature of realloc, calloc and memalign, and of C++'s aligned operator new. */
const ofTwo = 'i32 i32 -> i32'

/** What to do about a function that may be one of the family, whose signatures are these; and what helps to recognise it. */
function advice(id: string, app: Field[], replaced: Map<string, string>, signatures: Set<string>): string {
  const functions = functionsOf(app)
  const indexOf = (field: Field) => functions.indexOf(field)
  const own = functions.filter((field) => field.id === id)
  const callers = functions.filter((field) => factsOf(field).calls.includes(id))
  const labels = callers.map((field) => labelOf(field.id, app))
  const some = labels.length > 4 ? [...labels.slice(0, 4), '…'] : labels
  const like = [...own, ...callers].flatMap((field) => {
    const name = replaced.has(field.id) ? undefined : looksLike(field, replaced)
    return name === undefined ? [] : [`; function ${indexOf(field)} looks like ${name}`]
  })
  const signature = signatureOf(own[0])
  const what = signatures.has(signature)
    ? `or name it if it is one of C's: --function NAME=${indexOf(own[0])}`
    : "for by its signature it is none of C's: either it is a part of the allocator, and a function that calls it may be one of C's; or one of C's was inlined into it, and this module cannot be linked"
  const others = signature === ofTwo ? ", as C++'s aligned operator new does too, which is none of them" : ''
  return `link before optimising and stripping, ${what}. It takes and returns ${signature}${others}; its callers: ${some.join(', ') || 'none'}${like[0] ?? ''}`
}

/** The function in C that one looks like by what it hands to malloc and free. */
function looksLike(field: Field, replaced: Map<string, string>): string | undefined {
  if (signatureOf(field) !== ofTwo) return undefined
  const [first, second] = idsAfter('param', field.text.split('\n', 1)[0])
  const hands = (base: string, operand: string) =>
    [...replaced].some(([id, name]) => name === base && handsOn(field, id, operand))
  const { calls } = factsOf(field)
  const callsTo = (base: string) => calls.some((callee) => replaced.get(callee) === base)
  if (hands('free', first) && hands('malloc', second)) return 'realloc'
  if (!callsTo('malloc') || callsTo('free')) return undefined
  const get = (operand: string) => String.raw`\(local\.get ${operand.replace(/\W/g, '\\$&')}\)`
  // An alignment is compared with the one that all blocks have, negated, or made a mask.
  const aligns = String.raw`\(i32\.(?:[lg][te]_u|add|sub)\s+(?:${get(first)}\s+\(i32\.const (?:-?1|4|7|8|15|16)\)|\(i32\.const 0\)\s+${get(first)})`
  if (hands('malloc', second) && new RegExp(aligns).test(field.text)) return 'memalign'
  const product = (one: string, other: string) =>
    String.raw`\.mul\s+(?:\(i64\.extend_i32_u\s+)?${get(one)}\s+(?:\)\s+\(i64\.extend_i32_u\s+)?${get(other)}`
  return new RegExp(`${product(first, second)}|${product(second, first)}`).test(field.text) ? 'calloc' : undefined
}
