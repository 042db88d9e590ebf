// npm run bench: its synthetic workloads.
import { describe, expect, it } from 'vitest'
import { fillThenReplace, Script, synthetic, syntheticNames } from '../../bench/lab/synthetic.ts'
import { Random } from '../../bench/random.ts'
import { formatTrace, Kind, kindOf, parseTrace } from '../../bench/trace.ts'

const bytesOf = (words: Uint32Array) => Buffer.from(words.buffer, words.byteOffset, words.byteLength)

describe('synthetic workloads', () => {
  it.each(syntheticNames)('%s is the same valid trace every time and fits the driver’s table', (name) => {
    const trace = synthetic(name) // throws where an operation contradicts those before it
    expect(trace.slots).toBeLessThanOrEqual(0x100000)
    expect(Buffer.compare(bytesOf(trace.words), bytesOf(synthetic(name).words))).toBe(0)
  })

  it('can be written as a file of the format and read again', () => {
    const trace = synthetic('realloc-ladder')
    expect(parseTrace(formatTrace(trace), trace.name)).toEqual(trace)
  })

  it('free-in-order, -reverse and -random allocate alike and free in different orders', () => {
    const frees = ['free-in-order', 'free-in-reverse', 'free-at-random'].map((name) => {
      const { words, operations } = synthetic(name)
      const kinds = Uint32Array.from({ length: operations }, (_, i) => words[2 * i])
      return kinds.filter((word) => kindOf(word) === Kind.free)
    })
    const same = (one: Uint32Array, other: Uint32Array) => Buffer.compare(bytesOf(one), bytesOf(other)) === 0
    expect(same(frees[1], frees[0].slice().reverse())).toBe(true)
    expect(same(frees[2], frees[0])).toBe(false)
    expect(same(frees[2].slice().sort(), frees[0].slice().sort())).toBe(true)
  })

  it('phase-change keeps one block in a hundred of the first phase', () => {
    const { words, operations } = synthetic('phase-change')
    const kinds = Array.from({ length: operations }, (_, i) => kindOf(words[2 * i]))
    const firstFree = kinds.indexOf(Kind.free)
    const freed = kinds.indexOf(Kind.malloc, firstFree) - firstFree
    expect(freed / firstFree).toBeCloseTo(0.99, 5)
  })

  it('the realloc ladder doubles from 16 B to 1 MiB', () => {
    const { words } = synthetic('realloc-ladder')
    const rung = Array.from({ length: 18 }, (_, i) => words[2 * i + 1])
    expect(rung).toEqual([...Array.from({ length: 17 }, (_, i) => 16 << i), 0])
  })

  it('fills to about the live bytes asked for', () => {
    const { trace, filled } = fillThenReplace(4 << 20, 100)
    expect(filled).toBe(4096)
    expect(trace.operations).toBe(filled + 200)
    expect(trace.peak / (4 << 20)).toBeCloseTo(1, 1)
  })

  it('a script gives a freed slot to the next block', () => {
    const script = new Script()
    const first = script.malloc(8)
    script.free(first)
    expect(script.malloc(9)).toBe(first)
    expect(() => new Script().trace('empty')).toThrow('no operations')
  })

  it('random numbers depend on the seed alone', () => {
    const draw = (seed: string) => {
      const random = new Random(seed)
      return Array.from({ length: 100 }, () => random.between(3, 7))
    }
    expect(draw('a')).toEqual(draw('a'))
    expect(draw('a')).not.toEqual(draw('b'))
    expect(new Set(draw('a'))).toEqual(new Set([3, 4, 5, 6, 7]))
  })
})
