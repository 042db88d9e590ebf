// Cold and warm times of a trace in several modules, which take turns: the same code in every engine.
import { type Clock, Player, type Score, TooSlow } from '../replay/player.ts'

/** Operations that take long enough to be timed. */
const ENOUGH = 50_000
/** More warm replays than this are not made, however short they are. */
export const MOST_ROUNDS = 50

/** How many warm replays of a trace take long enough together for the clock's steps not to matter. */
export function warmRounds({ operations }: { operations: number }): number {
  return Math.min(MOST_ROUNDS, Math.max(1, Math.round(ENOUGH / operations)))
}

/** Cold and warm times of each repetition, or why there are none. */
export interface Turns {
  name: string
  fault?: string
  cold: number[]
  warm: number[]
}

/** Replays the trace in all modules, taking turns. */
export function playInTurns(
  modules: { name: string; module: WebAssembly.Module }[],
  score: Score,
  repetitions: number,
  clock: Clock,
  most: number,
): Turns[] {
  const results: Turns[] = modules.map(({ name }) => ({ name, cold: [], warm: [] }))
  for (let repetition = 0; repetition < repetitions; repetition++)
    for (let i = 0; i < modules.length; i++) {
      const at = (i + repetition) % modules.length
      const result = results[at]
      if (result.fault) continue
      try {
        const player = new Player(modules[at].module, score)
        result.cold.push(player.time(clock, most))
        player.drain()
        result.warm.push(player.time(clock, most))
      } catch (error) {
        result.fault = error instanceof TooSlow ? 'not done in time' : String(error)
      }
    }
  return results
}
