// Where the values in a function come from: through its locals, its blocks, and its part of the stack.

import { type Field, id, idsAfter } from './text.ts'

/** An instruction with its operands. */
export interface Node {
  text: string
  operands: Node[]
  /** Where it stands among the function's instructions, in front of its operands. */
  at: number
}

/** A function's instructions, first its header; and the values that its locals, blocks and places in its part of the stack get. */
export interface Flow {
  nodes: Node[]
  params: string[]
  given: Map<string, Node[]>
}

/** An instruction that a value may come from, and the constants that were added since. */
export interface Source {
  node: Node
  added: number
}

/** A function's instructions: binaryen prints one to a line, and operands one column further right. */
function parse(text: string): Node[] {
  const open: Node[] = []
  const lines = text.split('\n').filter((line) => !/^\s*\)$/.test(line))
  return lines.map((line, at) => {
    const depth = line.search(/\S/)
    const node = { text: line.trim(), operands: [], at }
    open[depth - 1]?.operands.push(node)
    open[depth] = node
    return node
  })
}

const giver = new RegExp(String.raw`^\((?:local\.set|local\.tee|br|br_if) (${id})`)
const holder = new RegExp(String.raw`^\((?:local\.get|block) (${id})`)
const caller = new RegExp(String.raw`^\(call (${id})`)
const access = /^\(i32\.(?:load|store)(?: offset=(\d+))?/

/** Compilers' code needs no more steps than this from an address to the stack pointer. */
const MAX_STEPS = 8

/** The function that an instruction calls; empty for others. */
export const calleeOf = ({ text }: Node): string => caller.exec(text)?.[1] ?? ''

/** The constant that an instruction is; NaN for others. */
export const constantOf = (node?: Node): number =>
  Number(/^\(i32\.const (-?\d+)\)/.exec(node?.text ?? '')?.[1] ?? Number.NaN)

export function flowOf(field: Field): Flow {
  const nodes = parse(field.text)
  const params = idsAfter('param', nodes[0].text).map((id) => `(local.get ${id})`)
  const flow: Flow = { nodes, params, given: new Map() }
  const give = (to: string, value: Node) => {
    const values = flow.given.get(to) ?? []
    values.push(value)
    flow.given.set(to, values)
  }
  for (const { text, operands } of nodes) {
    const to = giver.exec(text)?.[1]
    if (to !== undefined && operands.length > 0) give(to, operands[0])
  }
  for (const node of nodes) {
    if (!node.text.startsWith('(i32.store')) continue
    const place = stackPlace(node, flow)
    if (place !== '') give(place, node.operands[1])
  }
  return flow
}

/** The place in the function's stack frame that a load or store accesses, where unoptimised code keeps its variables: the global that holds
 *  the stack pointer, and the offset from its value. Empty for other instructions. */
export function stackPlace(node: Node, flow: Flow): string {
  const match = access.exec(node.text)
  let [at]: (Node | undefined)[] = match ? node.operands : []
  let added = 0
  for (let steps = 0; at && steps < MAX_STEPS && !at.text.startsWith('(global.get'); steps++) {
    const given = flow.given.get(holder.exec(at.text)?.[1] ?? '') ?? []
    const passed = passedBy(at)
    added += passed?.added ?? 0
    const values: Node[] = passed?.values ?? given
    at = values.length === 1 && !flow.params.includes(at.text) ? values[0] : undefined
  }
  return at?.text.startsWith('(global.get') && added < 0 ? `${at.text} ${added + Number(match?.[1] ?? 0)}` : ''
}

/** The operands among which an instruction's value is, and the constant that it adds to them; undefined for one that computes. */
export function passedBy({ text, operands }: Node): { values: Node[]; added: number } | undefined {
  const constant = constantOf(operands[1])
  if (/^\(i32\.(?:add|sub)/.test(text) && !Number.isNaN(constant)) {
    return { values: operands.slice(0, 1), added: text.startsWith('(i32.sub') ? -constant : constant }
  }
  if (text.startsWith('(select')) return { values: operands.slice(0, 2), added: 0 }
  if (text.startsWith('(if')) return { values: operands.slice(1), added: 0 }
  if (/^\((?:local\.tee|block|loop|then|else)/.test(text)) return { values: operands.slice(-1), added: 0 }
  return undefined
}

/** All instructions that a value may come from. */
export function sourcesOf(value: Node, flow: Flow): Source[] {
  const pending: Source[] = [{ node: value, added: 0 }]
  const seen = new Set<string>()
  const sources: Source[] = []
  for (const { node, added } of pending) {
    const held = holder.exec(node.text)?.[1] ?? stackPlace(node, flow)
    const given = flow.given.get(held)
    if (given && !seen.has(held)) pending.push(...given.map((next) => ({ node: next, added })))
    seen.add(held)
    const passed = passedBy(node)
    if (passed) pending.push(...passed.values.map((next) => ({ node: next, added: added + passed.added })))
    else if (!given || flow.params.includes(node.text)) sources.push({ node, added })
  }
  return sources
}
