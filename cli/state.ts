// The state of an allocator: what its functions keep at fixed addresses or in globals.

import { type Facts, idsOf, reach } from './calls.ts'

/**
 * The fixed addresses and globals that both the old free and the old malloc read or write. Of free, what it uses itself, because what it
 * calls may set errno; what it calls counts if it uses none itself. If free does nothing, those that malloc uses itself, or else what it
 * calls. `replaced` are functions of the module with their names in C.
 */
export function allocatorState(facts: Facts, replaced: Map<string, string>): Set<number | string> {
  // Without those that only hand their operands on, and run constructors and destructors.
  const entries = (base: string) => {
    const ids = idsOf(replaced, base)
    return ids.filter((id) => !facts.get(id)?.calls.some((callee) => ids.includes(callee)))
  }
  const state = (ids: Iterable<string>) => [...ids].flatMap((id) => facts.get(id)?.state ?? [])
  const reached = (base: string) => state(reach(facts, entries(base)))
  const ownOf = (base: string) => {
    const own = state(entries(base))
    return own.length > 0 ? own : reached(base)
  }
  const ofFree = ownOf('free')
  const ofMalloc = new Set(reached('malloc'))
  return new Set(ofFree.length > 0 ? ofFree.filter((place) => ofMalloc.has(place)) : ownOf('malloc'))
}
