// Which words an allocator puts in front of the blocks that it returns.

import { calleeOf, type Flow, flowOf, type Node, passedBy, type Source, sourcesOf, stackPlace } from './flow.ts'
import { type Field, id } from './text.ts'

const store = /^\(i32\.store\w*(?: offset=(\d+))?/
const local = new RegExp(String.raw`^\(local\.(?:get|tee) (${id})`)
const block = new RegExp(String.raw`^\(block (${id})`)
/** Further from a block than this is no word of its header. */
const MAX_HEADER = 64
const isNear = (distance: number) => Math.abs(distance) <= MAX_HEADER

/**
 * Which words the allocators write, without flags, in front of the blocks that they return, such as sizes: negative distances in bytes.
 * A function that puts flags in such a word has none here: many programs keep words of their own at that place, so headerReads goes by
 * the masks.
 */
export function wordsWritten(functions: Field[], allocators: Set<string>): Set<number> {
  const fields = new Map(functions.map((field) => [field.id, field]))
  const known = new Map<string, number[]>()
  const written = (id: string): number[] => {
    const field = fields.get(id)
    if (!field || known.has(id)) return known.get(id) ?? []
    known.set(id, []) // for what calls itself
    const flow = flowOf(field)
    const results = flow.nodes.filter(({ text }) => text.startsWith('(return')).flatMap(({ operands }) => operands)
    const blocks = [...results, ...flow.nodes[0].operands.slice(-1)].flatMap((value) => basesOf(value, flow, true))
    const isFlagged = ({ operands }: Node) =>
      sourcesOf(operands[1], flow).some(({ node }) => node.text.startsWith('(i32.or'))
    const words = flow.nodes
      .filter(({ text }) => store.test(text))
      .map((word) => ({ word, near: distances(word, blocks, flow).filter(isNear) }))
      .filter(({ near }) => near.length > 0)
    const own = words.some(({ word }) => isFlagged(word)) ? [] : words.flatMap(({ near }) => near)
    const inner = blocks.flatMap(({ node, added }) => written(calleeOf(node)).map((distance) => distance - added))
    const near = [...new Set([...own, ...inner])].filter(isNear)
    known.set(id, near)
    return near
  }
  return new Set([...allocators].flatMap(written).filter((distance) => distance < 0))
}

/** Where the last of an instruction's operands stands: then it is carried out. */
const endOf = ({ operands, at }: Node): number => {
  const last = operands.at(-1)
  return last ? endOf(last) : at
}

/** What an address is `added` bytes from: a variable that gets several values, as it is at the time `at`; or, if `variable` is empty, the
 *  result of `node`. */
interface Base {
  variable: string
  node: Node
  added: number
  at: number
}

/** The bases that a value may have; `through` to look for those of a variable's values too. */
function basesOf(value: Node, flow: Flow, through: boolean): Base[] {
  const pending: Source[] = [{ node: value, added: 0 }]
  const seen = new Set<string>()
  const bases: Base[] = []
  for (const { node, added } of pending) {
    const variable = variableOf(node, flow)
    const given = flow.given.get(variable) ?? []
    const isOnly = given.length === 1 && !flow.params.includes(`(local.get ${variable})`)
    if ((through || isOnly) && !seen.has(variable)) pending.push(...given.map((next) => ({ node: next, added })))
    seen.add(variable)
    const passed = passedBy(node)
    if (variable !== '') {
      if (!isOnly) bases.push({ variable, node, added, at: endOf(node) })
    } else if (passed) {
      pending.push(...passed.values.map((next) => ({ node: next, added: added + passed.added })))
      const broken = flow.given.get(block.exec(node.text)?.[1] ?? '') ?? []
      pending.push(...broken.map((next) => ({ node: next, added })))
    } else {
      bases.push({ variable, node, added, at: endOf(node) })
    }
  }
  return bases
}

/** The local, or the place in the function's part of the stack, that an instruction reads, or puts a value in and returns it. */
const variableOf = (node: Node, flow: Flow): string => local.exec(node.text)?.[1] ?? stackPlace(node, flow)

/** How far a word that is written is from the blocks that are made of the same base afterwards, before the variable gets another value. */
function distances(word: Node, blocks: Base[], flow: Flow): number[] {
  const written = endOf(word)
  const offset = Number(store.exec(word.text)?.[1] ?? 0)
  const bases = basesOf(word.operands[0], flow, false)
  return blocks.flatMap((block) => {
    const base = bases.find(({ variable, node }) =>
      variable === '' ? node === block.node : variable === block.variable,
    )
    if (!base) return []
    const isBetween = (time: number) => time > written && time < block.at
    const isLate = base.variable !== '' && written > block.at
    const isOther = (flow.given.get(base.variable) ?? []).some((value) => isBetween(endOf(value)))
    return isLate || isOther ? [] : [base.added + offset - block.added]
  })
}
