// Allocators that keep a word in front of each block: its size, with flags in the lowest bits. Which functions read it?

import { type Field, idsAfter } from './text.ts'

/** An instruction with its operands. */
interface Node {
  text: string
  operands: Node[]
}

/** A function's instructions: binaryen prints one to a line, and operands one column further right. */
function parse(text: string): Node[] {
  const open: Node[] = []
  const lines = text.split('\n').filter((line) => !/^\s*\)$/.test(line))
  return lines.map((line) => {
    const depth = line.search(/\S/)
    const node = { text: line.trim(), operands: [] }
    open[depth - 1]?.operands.push(node)
    open[depth] = node
    return node
  })
}

const name = String.raw`(\$(?:"(?:[^"\\]|\\.)*"|[^\s()]+))`
const giver = new RegExp(String.raw`^\((?:local\.set|local\.tee|br|br_if) ${name}`)
const holder = new RegExp(String.raw`^\((?:local\.get|block) ${name}`)
const caller = new RegExp(String.raw`^\(call ${name}`)
const load = /^\(i32\.load\w*(?: offset=(\d+))?/

/** The constant that an instruction is; NaN for others. */
const constantOf = (node?: Node) => Number(/^\(i32\.const (-?\d+)\)/.exec(node?.text ?? '')?.[1] ?? Number.NaN)

/** The operands among which an instruction's value is, and the constant that it adds to them; undefined for one that computes. */
function passedBy({ text, operands }: Node): { values: Node[]; added: number } | undefined {
  const constant = constantOf(operands[1])
  if (/^\(i32\.(?:add|sub)/.test(text) && !Number.isNaN(constant)) {
    return { values: operands.slice(0, 1), added: text.startsWith('(i32.sub') ? -constant : constant }
  }
  if (text.startsWith('(select')) return { values: operands.slice(0, 2), added: 0 }
  if (text.startsWith('(if')) return { values: operands.slice(1), added: 0 }
  if (/^\((?:local\.tee|block|loop|then|else)/.test(text)) return { values: operands.slice(-1), added: 0 }
  return undefined
}

/** All instructions that a value may come from, and the constants that were added since; `given` is what locals and blocks get. */
function sourcesOf(value: Node, given: Map<string, Node[]>): { node: Node; added: number }[] {
  const pending = [{ node: value, added: 0 }]
  const seen = new Set<string>()
  for (const { node, added } of pending) {
    const held = holder.exec(node.text)?.[1] ?? ''
    const passed = passedBy(node)
    if (!seen.has(held)) pending.push(...(given.get(held) ?? []).map((next) => ({ node: next, added })))
    if (passed) pending.push(...passed.values.map((next) => ({ node: next, added: added + passed.added })))
    seen.add(held)
  }
  return pending.filter(({ node }) => !passedBy(node))
}

/** A word in front of a block that a function reads, and masks. */
export interface HeaderRead {
  mask: number
  /** Whether the block is one that it just got from an allocator; else the function was given it, or had it in memory. */
  isNew: boolean
}

/** The words in front of blocks that a function reads; `allocators` are the functions that return blocks. */
export function headerReads(field: Field, allocators: Set<string>): HeaderRead[] {
  const nodes = parse(field.text)
  const params = new Set(idsAfter('param', nodes[0].text).map((id) => `(local.get ${id})`))
  const given = new Map<string, Node[]>()
  for (const { text, operands } of nodes) {
    const to = giver.exec(text)?.[1]
    if (to !== undefined && operands.length > 0) given.set(to, [...(given.get(to) ?? []), operands[0]])
  }
  const isFollowed = (text: string) => given.has(holder.exec(text)?.[1] ?? '')
  return nodes.flatMap(({ text, operands }) => {
    const mask = constantOf(operands[1])
    if (!text.startsWith('(i32.and') || !(Math.abs(mask) <= 16)) return []
    const loads = sourcesOf(operands[0], given).filter(({ node, added }) => added === 0 && load.test(node.text))
    return loads.flatMap(({ node }) => {
      const offset = Number(load.exec(node.text)?.[1] ?? 0)
      const sources = sourcesOf(node.operands[0], given).filter(
        ({ node: { text } }) => params.has(text) || !isFollowed(text),
      )
      const blocks = sources.filter(({ added }) => added + offset === -4).map(({ node }) => node.text)
      const isNew = blocks.some((text) => allocators.has(caller.exec(text)?.[1] ?? ''))
      // Locals that serve for several values hold other pointers from memory too.
      const isKept = blocks.length === sources.length && blocks.every((text) => load.test(text))
      return isNew || isKept || blocks.some((text) => params.has(text)) ? [{ mask, isNew }] : []
    })
  })
}
