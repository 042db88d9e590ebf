// The module's variables: which of them is the stack pointer, and which may hold a program's state.

import { type Flow, flowOf, type Node, sourcesOf } from './flow.ts'
import { type Field, functionsOf, nameOf } from './text.ts'

const variableField = /^ \(global \S+ \(mut \w+\) \(\w+\.const (\S+)\)\)/

const ownGlobals = (fields: Field[]) => fields.filter(({ kind, from }) => kind === 'global' && !from)

/** The stack pointer, which linkers put first among the variables. */
function stackPointer(fields: Field[]): Field | undefined {
  const globals = ownGlobals(fields)
  const named = globals.find(({ id, text }) => variableField.test(text) && nameOf(id).includes('__stack_pointer'))
  if (named) return named
  const [first] = globals
  const value = variableField.exec(first?.text ?? '')?.[1]
  const isUnnamed = /^\$(?:global\$)?\d+$/.test(first?.id ?? '')
  return value !== undefined && Number(value) !== 0 && isUnnamed && !onlyRises(fields, first.id) ? first : undefined
}

/** Whether functions set a variable but none lowers it: then it says where unused memory begins, and is no stack pointer. */
function onlyRises(fields: Field[], id: string): boolean {
  const setters = functionsOf(fields).filter(({ text }) => text.includes(`(global.set ${id}\n`))
  return setters.length > 0 && !setters.some((field) => lowers(flowOf(field), id))
}

/** Whether a function sets a variable to what it gets by subtracting from it, rounded afterwards or not. */
function lowers(flow: Flow, id: string): boolean {
  const isOld = (node: Node) => node.text === `(global.get ${id})`
  const values = flow.nodes.filter(({ text }) => text === `(global.set ${id}`).flatMap(({ operands }) => operands)
  for (const value of values) {
    for (const { node, added } of sourcesOf(value, flow)) {
      if (isOld(node) && added < 0) return true
      const [left] = node.operands
      if (node.text === '(i32.sub' && sourcesOf(left, flow).some((source) => isOld(source.node))) return true
      if (node.text === '(i32.and' && !values.includes(left)) values.push(left)
    }
  }
  return false
}

/** The globals in which a program may keep state: all variables but the stack pointer. */
export function variablesOf(fields: Field[]): Set<string> {
  const pointer = stackPointer(fields)
  const variables = ownGlobals(fields).filter((field) => variableField.test(field.text) && field !== pointer)
  return new Set(variables.map(({ id }) => id))
}

/** The address that the stack grows down from; 0 if the module has no stack pointer. */
export function stackTop(fields: Field[]): number {
  return Number(variableField.exec(stackPointer(fields)?.text ?? '')?.[1] ?? 0) >>> 0
}
