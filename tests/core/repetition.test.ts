// What was freed serves again: a trace that is repeated does not make the heap grow.
import { expect, it } from 'vitest'
import { Kind, kindOf, slotOf, type Trace } from '../../bench/trace.ts'
import { bundledNames, bundledTrace } from '../../bench/traces/bundled.ts'
import { type Core, createCore, PAGE } from './core.ts'
import './timeout.ts'

/** Makes the calls of a trace, then frees what is live. */
function play(core: Core, { words, operations, slots }: Trace): void {
  const { malloc, free, realloc, calloc, aligned_alloc } = core.raw
  const blocks = new Uint32Array(slots)
  for (let i = 0; i < operations; i++) {
    const word = words[2 * i]
    const size = words[2 * i + 1]
    const slot = slotOf(word)
    switch (kindOf(word)) {
      case Kind.malloc:
        blocks[slot] = malloc(size)
        break
      case Kind.free:
        free(blocks[slot])
        blocks[slot] = 0
        break
      case Kind.realloc:
        blocks[slot] = realloc(blocks[slot], size)
        break
      case Kind.calloc:
        blocks[slot] = calloc(1, size)
        break
      default:
        blocks[slot] = aligned_alloc(1 << ((word >>> 24) & 15), size)
    }
  }
  for (const p of blocks) if (p) free(p)
}

/** Traces that grow once more in the second round, in which they meet a larger heap, and by how much they may. The goal is
 *  that there are none. */
const GROWTH: Record<string, number> = { 'assemblyscript-wasm32': 1.02 }

it.each(bundledNames())('%s', (name) => {
  const trace = bundledTrace(name)
  const core = createCore()
  const sizes: number[] = []
  for (let round = 0; round < 10; round++) {
    play(core, trace)
    sizes.push(core.pages)
    if (round < 2) {
      expect(core.verify()).toBe(0)
      expect(core.stats(64).inUse).toBe(0)
    }
  }
  const growth = GROWTH[name]
  if (growth) expect(sizes[9]).toBeLessThanOrEqual(sizes[0] * growth)
  else expect(sizes.join(' ')).toEqual(Array(10).fill(sizes[0]).join(' '))
  expect(core.verify()).toBe(0)
  // Everything is one free run again, but for the heap's own tables.
  expect(core.malloc((sizes[9] - 1) * PAGE * 0.98)).not.toBe(0)
  expect(core.pages).toBe(sizes[9])
})
