// Hosts that grow a module's memory or hear of its growth, such as Emscripten's JavaScript, which then renews its views of it.

import { factsOfAll, reach, staying } from './calls.ts'
import { LinkError } from './error.ts'
import { calleeOf, constantOf, type Flow, flowOf, type Node } from './flow.ts'
import type { Family } from './functions.ts'
import { stackTop } from './globals.ts'
import {
  constantReturned,
  dataEnd,
  type Field,
  functionsOf,
  initialWord,
  labelOf,
  ownFunctionsOf,
  signatureOf,
} from './text.ts'

/** An import by which the module's own allocator has its host grow the memory, or tells it that it has grown. */
export interface Growth {
  host: Field
  /** True if the host grows the memory, to at least as many bytes as it is given; else it is told the index of a memory that grew. */
  grows: boolean
  /** The module's functions that call it. */
  callers: Field[]
}

const resizeHeap = 'emscripten_resize_heap'
const notifyGrowth = 'emscripten_notify_memory_growth'

/** Finds the import by its name or, where a tool has shortened it, by what the functions do that are to be replaced. */
export function findGrowth(app: Field[], { imports, replaced }: Family): Growth | undefined {
  const functions = functionsOf(app)
  const facts = factsOfAll(app)
  const own = ownFunctionsOf(app)
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

/** Whether an `unreachable` follows each call of a function, as compilers have it where the call never returns, such as one of abort. */
const neverReturns = (id: string, flows: Flow[]): boolean =>
  flows.every((flow) => callsOf(id, flow).every((call) => flow.nodes[call.at + sizeOf(call)]?.text === '(unreachable)'))

/** Whether each call of a function is given 0, the index of the only memory. */
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
 * Where the heap begins: the initial value of the module's own break; undefined if none, or more than one, looks like that. The break is
 * kept at an address that the callers of the host's import use, or those that call these, or that a function which they call returns. Its
 * value is a multiple of 16, not below the end of data and stack, and at most `size`, the bytes of the initial memory.
 */
export function breakOf(app: Field[], growth: Growth, size: number): number | undefined {
  const functions = ownFunctionsOf(app)
  const facts = factsOfAll(app)
  const movers = new Set(growth.callers)
  for (const { id } of growth.callers) {
    for (const field of functions) if (facts.get(field.id)?.calls.includes(id)) movers.add(field)
  }
  const places = [...movers].flatMap(({ id }) => {
    const { calls = [], state = [] } = facts.get(id) ?? {}
    const callees = functions.filter((field) => calls.includes(field.id))
    return [...state, ...callees.flatMap(({ text }) => constantReturned(text) ?? [])]
  })
  const top = stackTop(app)
  const end = Math.max(dataEnd(app), top <= size ? top : 0)
  const words = places.map((place) => (typeof place === 'number' ? initialWord(app, place) : 0))
  const found = new Set(words.filter((word) => word > 0 && word >= end && word <= size && word % 16 === 0))
  return found.size === 1 ? [...found][0] : undefined
}

/** The text of a function by which the core grows the memory: it takes a number of pages, and returns -1 if the memory may not grow. */
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
