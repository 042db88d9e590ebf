// The synthetic workloads: deterministic generators of traces, each after a pattern that allocators are known to be good
// or bad at. Those named after a program of the mimalloc-bench collection imitate its pattern, they do not run it.
import { Random } from '../random.ts'
import { Kind, type Trace, toTrace } from '../trace.ts'

/** Writes down operations; a block is known by its slot. */
export class Script {
  readonly #words: number[] = []
  #slots = 0
  readonly #unused: number[] = []

  malloc(size: number): number {
    const slot = this.#unused.pop() ?? this.#slots++
    this.#add(Kind.malloc, slot, size)
    return slot
  }

  realloc(slot: number, size: number): void {
    this.#add(Kind.realloc, slot, size)
  }

  free(slot: number): void {
    this.#add(Kind.free, slot, 0)
    this.#unused.push(slot)
  }

  get operations(): number {
    return this.#words.length / 2
  }

  trace(name: string): Trace {
    return toTrace(name, Uint32Array.from(this.#words), this.#slots, true)
  }

  #add(kind: number, slot: number, size: number): void {
    this.#words.push(slot | (kind << 28), size)
  }
}

/** Frees a random block and allocates another in its place, again and again. */
function replaceAtRandom(script: Script, random: Random, live: number, times: number, size: () => number): number[] {
  const blocks = Array.from({ length: live }, () => script.malloc(size()))
  for (let i = 0; i < times; i++) {
    const at = random.between(0, live - 1)
    script.free(blocks[at])
    blocks[at] = script.malloc(size())
  }
  return blocks
}

function allThenFree(script: Script, order: (blocks: number[]) => number[], size = () => 32): void {
  const blocks = Array.from({ length: 500_000 }, () => script.malloc(size()))
  for (const block of order(blocks)) script.free(block)
}

interface Pattern {
  about: string
  write(script: Script, random: Random): void
}

const patterns: Record<string, Pattern> = {
  churn: {
    about: '10,000 live blocks of 8 to 256 B, one at random replaced by another',
    write: (script, random) => replaceAtRandom(script, random, 10_000, 250_000, () => random.between(8, 256)),
  },
  larson: {
    about: '50,000 live blocks of 8 to 1,000 B, replaced at random, as by the connections of a server',
    write: (script, random) => replaceAtRandom(script, random, 50_000, 250_000, () => random.between(8, 1000)),
  },
  'alloc-test': {
    about: 'sizes to 1 KiB, small ones far more often (Pareto), put at random positions of a table that is half empty',
    write(script, random) {
      const table = new Int32Array(1 << 15).fill(-1)
      for (let i = 0; i < 500_000; i++) {
        const at = random.between(0, table.length - 1)
        if (table[at] < 0) table[at] = script.malloc(Math.min(1024, Math.ceil(16 / (1 - random.fraction()) ** 0.8)))
        else {
          script.free(table[at])
          table[at] = -1
        }
      }
    },
  },
  'log-normal': {
    about: '8,000 live blocks of log-normal sizes (median 64 B, to 64 KiB), replaced at random',
    write: (script, random) => replaceAtRandom(script, random, 8_000, 250_000, () => random.logNormal(64, 1.5, 65_536)),
  },
  vectors: {
    about: '64 vectors that grow by realloc, doubling, to 256 B up to 256 KiB, among blocks of 24 to 96 B',
    write(script, random) {
      const fresh = () => ({ block: script.malloc(16), size: 16, limit: random.logUniform(256, 262_144) })
      const vectors = Array.from({ length: 64 }, fresh)
      const small: number[] = []
      for (let i = 0; i < 120_000; i++) {
        const at = random.between(0, vectors.length - 1)
        const vector = vectors[at]
        if (vector.size < vector.limit) script.realloc(vector.block, (vector.size *= 2))
        else {
          script.free(vector.block)
          vectors[at] = fresh()
        }
        small.push(script.malloc(random.between(24, 96)))
        if (small.length > 5_000) {
          const gone = random.between(0, small.length - 1)
          script.free(small[gone])
          small[gone] = small[small.length - 1]
          small.pop()
        }
      }
    },
  },
  'realloc-ladder': {
    about: 'one buffer grown from 16 B to 1 MiB by doubling realloc, then freed',
    write(script) {
      for (let i = 0; i < 3_000; i++) {
        const block = script.malloc(16)
        for (let size = 32; size <= 1 << 20; size *= 2) script.realloc(block, size)
        script.free(block)
      }
    },
  },
  'phase-change': {
    about: '250,000 blocks of 16 to 128 B of which 1 % survive, spread at random, then 60,000 of 200 to 400 B',
    write(script, random) {
      const first = random.shuffle(Array.from({ length: 250_000 }, () => script.malloc(random.between(16, 128))))
      for (const block of first.splice(2_500)) script.free(block)
      const second = Array.from({ length: 60_000 }, () => script.malloc(random.between(200, 400)))
      for (const block of second.concat(first)) script.free(block)
    },
  },
  'big-blocks': {
    about: '40 live blocks of 64 KiB to 4 MiB, replaced at random',
    write: (script, random) => replaceAtRandom(script, random, 40, 2_000, () => random.logUniform(65_536, 4_194_304)),
  },
  'malloc-large': {
    about: '20 live blocks of 5 to 25 MiB, replaced at random',
    write: (script, random) => replaceAtRandom(script, random, 20, 200, () => random.between(5 << 20, 25 << 20)),
  },
  lifo: {
    about: 'a stack of blocks of 16 to 512 B that rises and falls at random',
    write(script, random) {
      const stack: number[] = []
      while (script.operations < 500_000) {
        for (let up = random.between(1, 2_000); up > 0; up--) stack.push(script.malloc(random.between(16, 512)))
        for (let down = random.between(1, 2_000); down > 0; down--) {
          const block = stack.pop()
          if (block !== undefined) script.free(block)
        }
      }
    },
  },
  fifo: {
    about: 'a queue of 10,000 blocks of 16 to 256 B',
    write(script, random) {
      const queue = Array.from({ length: 10_000 }, () => script.malloc(random.between(16, 256)))
      for (let i = 0; i < 250_000; i++) {
        const at = i % queue.length
        script.free(queue[at])
        queue[at] = script.malloc(random.between(16, 256))
      }
    },
  },
  'free-in-order': {
    about: '500,000 blocks of 32 B, then all freed in the order of their allocation',
    write: (script) => allThenFree(script, (blocks) => blocks),
  },
  'free-in-reverse': {
    about: '500,000 blocks of 32 B, then all freed, the last first',
    write: (script) => allThenFree(script, (blocks) => blocks.reverse()),
  },
  'free-at-random': {
    about: '500,000 blocks of 32 B, then all freed in random order',
    write: (script, random) => allThenFree(script, (blocks) => random.shuffle(blocks)),
  },
  'mixed-in-order': {
    about: '500,000 blocks of 16 to 192 B, then all freed in the order of their allocation',
    write: (script, random) =>
      allThenFree(
        script,
        (blocks) => blocks,
        () => random.between(16, 192),
      ),
  },
  'hot-pair': {
    about: 'one block of 32 B, allocated and freed at once',
    write(script) {
      for (let i = 0; i < 250_000; i++) script.free(script.malloc(32))
    },
  },
  sh6bench: {
    about:
      'sizes of 1 to 1,000 B that rise by half and are each halved down, the small ones in long runs; a full table loses half of its blocks, by turns from the front and from the back',
    write(script) {
      const table: number[] = []
      let turn = 0
      const put = (size: number) => {
        table.push(script.malloc(size))
        if (table.length < 12_000) return
        const gone = turn++ % 2 ? table.splice(6_000).reverse() : table.splice(0, 6_000)
        for (const block of gone) script.free(block)
      }
      while (script.operations < 500_000)
        for (let base = 1; base < 1000; base = Math.floor((base * 3) / 2) + 1)
          for (let size = base; size; size >>>= 1) for (let n = size < 150 ? 500 : 50; n > 0; n--) put(size)
      for (const block of table) script.free(block)
    },
  },
  rptest: {
    about:
      '8 to 16,000 B, small ones more often; in each round scattered blocks of 4,000 are replaced, and up to 600 others come and go',
    write(script, random) {
      const size = () => random.logUniform(8, 16_000)
      const blocks = Array.from({ length: 4_000 }, () => script.malloc(size()))
      while (script.operations < 300_000) {
        const stride = random.between(3, 40)
        for (let at = random.between(0, stride); at < blocks.length; at += stride) {
          script.free(blocks[at])
          blocks[at] = script.malloc(size())
        }
        const passing = Array.from({ length: random.between(0, 600) }, () => script.malloc(size()))
        for (const block of random.fraction() < 0.5 ? passing : passing.reverse()) script.free(block)
      }
    },
  },
  cfrac: {
    about: 'numbers of 8 to 60 B that live for a few operations, as in factoring by continued fractions',
    write(script, random) {
      const kept = Array.from({ length: 1_500 }, () => script.malloc(random.between(16, 60)))
      const live: number[] = []
      while (script.operations < 500_000) {
        live.push(script.malloc(8 + 4 * Math.floor(13 * random.fraction() ** 2)))
        if (live.length > random.between(4, 24)) script.free(live.splice(-random.between(1, 4), 1)[0])
        if (live.length > 24) script.free(live.shift() as number)
        if (random.fraction() < 0.01) {
          const at = random.between(0, kept.length - 1)
          script.free(kept[at])
          kept[at] = script.malloc(random.between(16, 60))
        }
      }
    },
  },
  espresso: {
    about:
      'sets of 16 to 500 B in families that are built, grown by realloc, copied and dropped whole, as in minimising logic',
    write(script, random) {
      const families: number[][] = []
      while (script.operations < 500_000) {
        const size = random.logUniform(16, 500)
        const table = script.malloc(4 * 16)
        const family = Array.from({ length: random.between(4, 300) }, (_, i) => {
          if (i && (i & (i - 1)) === 0 && i >= 16) script.realloc(table, 8 * i)
          return script.malloc(size)
        })
        for (let i = 0; i < family.length; i += 3) {
          const copy = script.malloc(size)
          script.free(family[i])
          family[i] = copy
        }
        families.push([table, ...family])
        if (families.length > 60) for (const block of families.splice(random.between(0, 60), 1)[0]) script.free(block)
      }
    },
  },
}

export const syntheticNames = Object.keys(patterns)

/** What a synthetic workload does, in a sentence. */
export function aboutSynthetic(name: string): string {
  return patterns[name].about
}

/** The trace of a synthetic workload: the same operations every time. */
export function synthetic(name: string): Trace {
  const script = new Script()
  patterns[name].write(script, new Random(name))
  return script.trace(name)
}

/** Blocks of 1 KiB on average (16 to 2,032 B) until about `live` bytes are live, then so many random replacements. */
export function fillThenReplace(live: number, replacements: number): { trace: Trace; filled: number } {
  const script = new Script()
  const random = new Random('fill')
  const blocks = Math.round(live / 1024)
  replaceAtRandom(script, random, blocks, replacements, () => random.between(16, 2032))
  return { trace: script.trace(`${live / 1048576} MiB`), filled: blocks }
}
