// Which functions of a module call which, and which of them remain in use once some are granary's.

import { type Field, factsOf, functionsOf, rootFunctions } from './text.ts'

export type Facts = Map<string, ReturnType<typeof factsOf>>

/** What each of the module's functions calls, and the state that it uses (factsOf), by its name in the text. */
export function factsOfAll(app: Field[], variables?: Set<string>): Facts {
  return new Map(functionsOf(app).map((field) => [field.id, factsOf(field, variables)]))
}

/** The functions of `from` and all that they call, directly or through others; what functions of `ends` call is not followed. */
export function reach(facts: Facts, from: Iterable<string>, ends: Map<string, string> = new Map()): Set<string> {
  const seen = new Set(from)
  for (const id of seen) if (!ends.has(id)) for (const callee of facts.get(id)?.calls ?? []) seen.add(callee)
  return seen
}

/** The functions of `replaced` that are granary's of this name in C. */
export function idsOf(replaced: Map<string, string>, name: string): string[] {
  return [...replaced.keys()].filter((id) => replaced.get(id) === name)
}

/** The functions that are in use still when those of `replaced` are granary's. */
export function staying(app: Field[], facts: Facts, replaced: Map<string, string>): string[] {
  return [...reach(facts, rootFunctions(app), replaced)].filter((id) => !replaced.has(id))
}
