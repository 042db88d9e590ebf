// Allocators that keep a word in front of each block: its size, plain or with flags in the lowest bits. Which functions read it?

import { calleeOf, constantOf, type Flow, type Node, sourcesOf } from './flow.ts'

const load = /^\(i32\.load\w*(?: offset=(\d+))?/

/** A word in front of a block that a function reads, and masks. */
export interface HeaderRead {
  mask: number
  /** Whether the block is one that it just got from an allocator; else the function was given it, or had it in memory. */
  isNew: boolean
}

/** The words in front of blocks that a function reads and masks; `allocators` are the functions that return blocks. */
export function headerReads(flow: Flow, allocators: Set<string>): HeaderRead[] {
  const isParam = (text: string) => flow.params.includes(text)
  return flow.nodes.flatMap(({ text, operands }) => {
    const mask = constantOf(operands[1])
    if (!text.startsWith('(i32.and') || !(Math.abs(mask) <= 16)) return []
    const loads = sourcesOf(operands[0], flow).filter(({ node, added }) => added === 0 && load.test(node.text))
    return loads.flatMap(({ node }) => {
      const offset = Number(load.exec(node.text)?.[1] ?? 0)
      const sources = sourcesOf(node.operands[0], flow)
      const blocks = sources.filter(({ added }) => added + offset === -4).map(({ node }) => node)
      const isNew = blocks.some((block) => allocators.has(calleeOf(block)))
      // Locals that serve for several values hold other pointers from memory too.
      const isKept = blocks.length === sources.length && blocks.every(({ text }) => load.test(text))
      return isNew || isKept || blocks.some(({ text }) => isParam(text)) ? [{ mask, isNew }] : []
    })
  })
}

/** Which words a function reads in front of the pointers that it is given or gets from an allocator, as negative distances in bytes. A read
 *  whose distance varies does not count: a pointer that goes along an array reads an element of that. */
export function wordsRead(flow: Flow, allocators: Set<string>): Set<number> {
  const isBlock = (node: Node) => flow.params.includes(node.text) || allocators.has(calleeOf(node))
  const distances = flow.nodes.flatMap(({ text, operands }) => {
    const match = load.exec(text)
    const sources = match ? sourcesOf(operands[0], flow) : []
    const places = new Set(sources.map(({ added }) => added + Number(match?.[1] ?? 0)))
    return places.size === 1 && sources.every(({ node }) => isBlock(node)) ? [...places] : []
  })
  return new Set(distances.filter((distance) => distance < 0))
}
