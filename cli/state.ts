// The state of an allocator: what its functions keep at fixed addresses or in globals.

import { type Facts, reach } from './calls.ts'

/**
 * The state is what the old free itself (what it calls may set errno) and the old malloc read and write at fixed addresses or in globals; of
 * a free that does nothing, what the old malloc itself does. `replaced` are functions of the module with their names in C.
 */
export function allocatorState(facts: Facts, replaced: Map<string, string>): Set<number | string> {
  // Without those that only hand their operands on, and run constructors and destructors.
  const entries = (base: string) =>
    [...replaced]
      .filter(([id, name]) => name === base && !facts.get(id)?.calls.some((callee) => replaced.get(callee) === base))
      .map(([id]) => id)
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
