// Hosts that have to do with the growth of a module's memory, as Emscripten's JavaScript, which then makes its views of it anew.

import { factsOfAll, reach, staying } from './calls.ts'
import { LinkError } from './error.ts'
import { calleeOf, constantOf, type Flow, flowOf, type Node } from './flow.ts'
import type { Family } from './functions.ts'
import { stackTop } from './globals.ts'
import { dataEnd, type Field, initialWord, labelOf, said, signatureOf } from './text.ts'

/** An import by which the module's own allocator has its host grow the memory, or tells it that it has grown. */
export interface Growth {
  host: Field
  /** Whether the host grows the memory: to at least so many bytes. Else it takes the number of a memory that has grown. */
  grows: boolean
  /** The module's functions that call it. */
  callers: Field[]
}

const resizeHeap = 'emscripten_resize_heap'
const notifyGrowth = 'emscripten_notify_memory_growth'

/** Finds the import by its name or, where a tool has shortened it, by what the functions do that are to be replaced. */
export function findGrowth(app: Field[], { imports, replaced }: Family): Growth | undefined {
  const functions = app.filter(({ kind }) => kind === 'func')
  const facts = factsOfAll(app)
  const own = functions.filter(({ from }) => !from)
  const growth = (host: Field, grows: boolean) => ({
    host,
    grows,
    callers: own.filter(({ id }) => facts.get(id)?.calls.includes(host.id)),
  })
  const named = functions.find(({ from }) => from?.name === resizeHeap || from?.name === notifyGrowth)
  if (named) return growth(named, named.from?.name === resizeHeap)

  const reached = reach(facts, replaced.keys())
  const allocator = own.filter(({ id }) => reached.has(id))
  const growers = allocator.filter(({ text }) => text.includes('(memory.grow'))
  const grows = growers.length === 0
  const called = new Set((grows ? allocator : growers).flatMap(({ id }) => facts.get(id)?.calls ?? []))
  const flows = allocator.map(flowOf)
  const hosts = functions.filter(
    ({ id, from }) =>
      called.has(id) && from && !imports.has(id) && !from.module.startsWith('wasi') && !neverReturns(id, flows),
  )
  const asked = hosts.filter((field) => (grows ? /-> i32$/ : /^i32 -> $/).test(signatureOf(field)))
  if (asked.length === 0) return undefined
  const knows = grows ? '(memory.size)' : '(memory.grow'
  const [found, ...others] = asked
    .filter((field) => /^i32 -> (?:i32)?$/.test(signatureOf(field)))
    .map((field) => growth(field, grows))
    .filter(
      ({ host, callers }) => callers.some(({ text }) => text.includes(knows)) && (grows || isTold(host.id, flows)),
    )
  if (!found || others.length > 0) {
    const names = asked.map(({ from }) => `${from?.module}.${from?.name}`).join(', ')
    throw new LinkError(
      `the old allocator calls its host (${names}), which may have to do with the growth of the memory: nobody can tell how; link granary-emscripten.o with -sMALLOC=none instead, if this is a module of Emscripten's`,
    )
  }
  return found
}

const callsOf = (id: string, { nodes }: Flow) => nodes.filter((node) => calleeOf(node) === id)
const sizeOf = ({ operands }: Node): number => operands.reduce((sum, operand) => sum + sizeOf(operand), 1)

/** Whether compilers say of all calls of a function that they do not return, as of an abort. */
const neverReturns = (id: string, flows: Flow[]): boolean =>
  flows.every((flow) => callsOf(id, flow).every((call) => flow.nodes[call.at + sizeOf(call)]?.text === '(unreachable)'))

/** Whether a function is told the number of a memory, of which there is but one: 0. */
const isTold = (id: string, flows: Flow[]): boolean =>
  flows.every((flow) => callsOf(id, flow).every(({ operands }) => constantOf(operands[0]) === 0))

/** Refuses a module in which functions that stay grow the memory through its host: they move the old break. */
export function checkGrowth(app: Field[], replaced: Map<string, string>, growth: Growth): void {
  const callers = new Set(growth.callers.map(({ id }) => id))
  for (const id of staying(app, factsOfAll(app), replaced)) {
    if (!callers.has(id)) continue
    throw new LinkError(
      `function ${labelOf(id, app)} has its host grow the memory and would go on doing so: name it if it is sbrk, with --function sbrk=INDEX`,
    )
  }
}

/**
 * Where the heap begins: what the module's data put at the place of its own break; undefined if none looks like that. The place is an address
 * that the functions use which have to do with growth, those that call them, or a function that says it. Data and stack end before.
 * `size` is that of the memory.
 */
export function breakOf(app: Field[], growth: Growth, size: number): number | undefined {
  const functions = app.filter(({ kind, from }) => kind === 'func' && !from)
  const facts = factsOfAll(app)
  const movers = new Set(growth.callers)
  for (const { id } of growth.callers) {
    for (const field of functions) if (facts.get(field.id)?.calls.includes(id)) movers.add(field)
  }
  const places = [...movers].flatMap(({ id }) => {
    const { calls = [], state = [] } = facts.get(id) ?? {}
    return [...state, ...functions.filter((field) => calls.includes(field.id)).flatMap(({ text }) => said(text) ?? [])]
  })
  const top = stackTop(app)
  const end = Math.max(dataEnd(app), top <= size ? top : 0)
  const words = places.map((place) => (typeof place === 'number' ? initialWord(app, place) : 0))
  const found = new Set(words.filter((word) => word > 0 && word >= end && word <= size && word % 16 === 0))
  return found.size === 1 ? [...found][0] : undefined
}

/** The function that grows the memory by so many pages, for the core: -1 if it may not grow. In the text of the module. */
export function growFunction(name: string, { host, grows }: Growth): string {
  const body = grows
    ? `(local.set 1 (i32.add (memory.size) (local.get 0)))
  (drop (call ${host.id} (i32.shl (local.get 1) (i32.const 16))))
  (select (i32.const -1) (i32.const 0) (i32.lt_u (memory.size) (local.get 1)))`
    : `(local.set 1 (memory.grow (local.get 0)))
  (if (i32.ge_s (local.get 1) (i32.const 0)) (then (call ${host.id} (i32.const 0))))
  (local.get 1)`
  return `(func ${name} (param i32) (result i32) (local i32)\n  ${body})`
}
