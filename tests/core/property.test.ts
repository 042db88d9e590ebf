// Long random call sequences over all functions. SEED=n replays a run.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SEED } from './core.ts'
import { steps } from './steps.ts'
import { World, type WorldOptions } from './world.ts'

const worlds: Record<string, WorldOptions> = {
  'memory that grows as it likes': {},
  'memory of at most 24 pages': { maximum: 24 },
  'a heap at an odd place in memory it is given whole': { initial: 40, maximum: 64, base: 0x100005 },
  'no memory but what ends where the heap begins': { initial: 1, maximum: 200, base: 0x10000 },
}

describe.each(Object.entries(worlds))('%s', (_, options) => {
  it('stays sound under short sequences', () => {
    fc.assert(
      fc.property(fc.array(steps, { minLength: 1, maxLength: 400, size: 'max' }), (sequence) =>
        new World(options).run(sequence),
      ),
      { seed: SEED, numRuns: 12, endOnFailure: !process.env.SEED },
    )
  })

  it('stays sound under a long sequence, and everything can be given back', () => {
    const world = new World(options)
    try {
      world.run(fc.sample(steps, { numRuns: 12_000, seed: SEED }), 24)
      world.freeAll()
      expect(world.oracle.bytesOf('block')).toBe(0)
    } catch (error) {
      throw new Error(`SEED=${SEED}: ${(error as Error).message}`, { cause: error })
    }
  })
})
