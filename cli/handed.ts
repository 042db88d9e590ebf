// Static objects that functions do not access themselves: they hand the addresses to other functions, which do.

import type { Facts } from './calls.ts'
import { calleeOf, constantOf, type Flow, flowOf, sourcesOf } from './flow.ts'
import { type Field, ownFunctionsOf, STATIC_FROM } from './text.ts'

const writes = /^\((?:\w+\.(?:store|atomic\.(?:store|rmw))|memory\.(?:fill|copy))/

/**
 * The same facts, with the addresses of static objects that functions hand to those of `callees`, which write there: as a Rust program's
 * functions hand the allocator to the functions of the allocator. What is only read, as the text of a message is, is no state.
 */
export function withHanded(app: Field[], facts: Facts, callees: Set<string>): Facts {
  const calls = (id: string) => facts.get(id)?.calls ?? []
  const functions = ownFunctionsOf(app).filter(
    ({ id }) => callees.has(id) || calls(id).some((callee) => callees.has(callee)),
  )
  const flows = new Map(functions.map((field) => [field.id, flowOf(field)]))
  const written = paramsWritten(new Map([...flows].filter(([id]) => callees.has(id))))
  const entries = [...facts].map(
    ([id, { calls, state }]): [string, { calls: string[]; state: (number | string)[] }] => {
      const flow = flows.get(id)
      return [id, { calls, state: flow ? [...state, ...handed(flow, callees, written)] : state }]
    },
  )
  return new Map(entries)
}

/** The addresses that a function hands to those of `callees`, which write there. */
function handed(flow: Flow, callees: Set<string>, written: Map<string, Set<number>>): number[] {
  return flow.nodes.flatMap((node) => {
    const callee = calleeOf(node)
    if (!callees.has(callee)) return []
    const operands = node.operands.filter((_, index) => written.get(callee)?.has(index))
    const addresses = operands
      .flatMap((operand) => sourcesOf(operand, flow))
      .map(({ node, added }) => constantOf(node) + added)
    return addresses.filter((address) => address >= STATIC_FROM)
  })
}

/** The parameters, by index, through which each function writes to memory, itself or by handing them to one that does. */
function paramsWritten(flows: Map<string, Flow>): Map<string, Set<number>> {
  const written = new Map([...flows.keys()].map((id) => [id, new Set<number>()]))
  /** Functions that hand a parameter on, by the function and the operand. */
  const handers = new Map<string, [id: string, param: number][]>()
  const pending: [id: string, param: number][] = []
  for (const [id, flow] of flows) {
    for (const node of flow.nodes) {
      const callee = calleeOf(node)
      const isWrite = writes.test(node.text)
      const operands = isWrite ? node.operands.slice(0, 1) : flows.has(callee) ? node.operands : []
      for (const [index, operand] of operands.entries()) {
        for (const source of sourcesOf(operand, flow)) {
          const param = flow.params.indexOf(source.node.text)
          const key = `${callee} ${index}`
          if (param < 0) continue
          if (isWrite) pending.push([id, param])
          else handers.set(key, [...(handers.get(key) ?? []), [id, param]])
        }
      }
    }
  }
  for (const [id, param] of pending) {
    if (written.get(id)?.has(param)) continue
    written.get(id)?.add(param)
    pending.push(...(handers.get(`${id} ${param}`) ?? []))
  }
  return written
}
