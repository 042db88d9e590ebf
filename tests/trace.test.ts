// Trace files: what is read back is what was written, bit by bit, and what is broken is refused with the reason.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { brotliCompressSync, brotliDecompressSync, deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { packTrace, unpackTrace } from '../bench/columns.ts'
import { formatTrace, Kind, parseTrace, type Trace, TraceError, toTrace } from '../bench/trace.ts'
import { BUNDLED, bundledNames, bundledTrace, folder, readTrace } from '../bench/traces/bundled.ts'
import { SEED } from './core/core.ts'

beforeAll(() => console.log(`trace.test.ts: SEED=${SEED}`))

const operation = (kind: number, slot: number, size: number, log2 = 0) => [slot | (log2 << 24) | (kind << 28), size]
const words = (...operations: number[][]) => Uint32Array.from(operations.flat())

/** Any valid trace whose slots are taken lowest first. */
const traces = fc
  .record({
    pointers32: fc.boolean(),
    unusedSlots: fc.nat(3),
    steps: fc.array(
      fc.record({
        kind: fc.nat(4),
        choice: fc.nat(),
        log2: fc.nat(15),
        size: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 23 })),
      }),
      { minLength: 1, maxLength: 300 },
    ),
  })
  .map(({ pointers32, unusedSlots, steps }): Trace => {
    const live: number[] = []
    const free: number[] = []
    const operations = steps.map(({ kind, choice, log2, size }) => {
      const onBlock = kind === Kind.free || kind === Kind.realloc
      if (onBlock && live.length) {
        const i = choice % live.length
        const slot = live[i]
        if (kind === Kind.realloc) return operation(kind, slot, size)
        live.splice(i, 1)
        free.push(slot)
        free.sort((a, b) => b - a)
        return operation(kind, slot, 0)
      }
      const slot = free.pop() ?? live.length
      live.push(slot)
      const allocation = onBlock ? Kind.malloc : kind
      return operation(allocation, slot, size, allocation === Kind.aligned ? log2 : 0)
    })
    const slots = Math.max(...operations.map(([word]) => word & 0xffffff)) + 1 + unusedSlots
    return toTrace('random', words(...operations), slots, pointers32)
  })

describe('any trace', () => {
  const check = (property: (trace: Trace) => void) =>
    fc.assert(fc.property(traces, property), { seed: SEED, numRuns: 200 })

  it('is the same after writing and reading MTRC, compressed or not', () => {
    check((trace) => {
      const file = formatTrace(trace)
      expect(parseTrace(file, trace.name)).toEqual(trace)
      expect(parseTrace(gzipSync(file), trace.name)).toEqual(trace)
    })
  })

  it('is the same after packing and unpacking', () => {
    check((trace) => {
      expect(unpackTrace(packTrace(trace), trace.name)).toEqual(trace)
    })
  })

  it('knows its peak and its largest request', () => {
    check((trace) => {
      const sizes = new Map<number, number>()
      let peak = 0
      for (let i = 0; i < trace.operations; i++) {
        const slot = trace.words[2 * i] & 0xffffff
        sizes.set(slot, trace.words[2 * i + 1])
        const live = [...sizes.values()].reduce((a, b) => a + b, 0)
        if (i === trace.peakAt) expect(live).toBe(trace.peak)
        peak = Math.max(peak, live)
      }
      expect(trace.peak).toBe(peak)
      expect(trace.largest).toBe(Math.max(...trace.words.filter((_, i) => i % 2)))
    })
  })

  it('is refused when its file ends too early', () => {
    check((trace) => {
      const cut = (file: Uint8Array) => file.subarray(0, trace.peak % file.length)
      const file = formatTrace(trace)
      expect(() => parseTrace(cut(file), 'cut')).toThrow(TraceError)
      expect(() => parseTrace(cut(gzipSync(file)), 'cut')).toThrow(TraceError)
      expect(() => unpackTrace(cut(packTrace(trace)), 'cut')).toThrow(TraceError)
    })
  })

  it('with any byte of its columns changed is another valid trace or is refused', () => {
    check((trace) => {
      const columns = brotliDecompressSync(packTrace(trace))
      columns[trace.largest % columns.length] ^= 1 + (trace.peak % 255)
      try {
        expect(unpackTrace(brotliCompressSync(columns), 'changed').operations).toBeGreaterThan(0)
      } catch (error) {
        expect(error).toBeInstanceOf(TraceError)
      }
    })
  })
})

describe('a broken trace is refused with the reason', () => {
  const file = (operations: Uint32Array, header: Record<number, number> = {}) => {
    const all = Uint32Array.from([0x4352544d, 1, operations.length / 2, 4, 24, 1, 0, 0, ...operations])
    for (const [i, word] of Object.entries(header)) all[Number(i)] = word
    return new Uint8Array(all.buffer)
  }
  const malloc24 = operation(Kind.malloc, 0, 24)
  const sound = words(malloc24, operation(Kind.free, 0, 0))

  it('but a sound one is not', () => {
    expect(parseTrace(file(sound), 'x')).toMatchObject({
      operations: 2,
      slots: 4,
      peak: 24,
      peakAt: 0,
      pointers32: true,
    })
  })

  const cases: [string, Uint8Array, string][] = [
    ['empty', new Uint8Array(), 'x: is empty'],
    ['of which nothing is compressed', gzipSync(''), 'x: is empty'],
    ['compressed, but not with gzip', deflateSync(file(sound)), 'of what is compressed only gzip is read'],
    ['shorter than a header', file(sound).subarray(0, 31), 'x: 31 bytes are too few'],
    ['something else', Buffer.from('a text of few letters'), 'x: not an allocation trace'],
    ['of another version', file(sound, { 1: 2 }), 'x: version 2 of the format'],
    [
      'truncated',
      file(sound).subarray(0, 40),
      'x: truncated: its header announces 2 operations in 48 bytes, but there are 40',
    ],
    ['too long', Buffer.concat([file(sound), Buffer.alloc(1)]), 'x: longer than it says'],
    ['with unknown flags', file(sound, { 5: 2 }), 'x: the header has flags'],
    ['with a reserved word', file(sound, { 7: 1 }), 'x: the header has flags'],
    ['without operations', file(words()), 'x: holds no operations'],
    ['with too many slots', file(sound, { 3: 2 ** 24 + 1 }), 'x: 16777217 slots'],
    [
      'with a wrong peak',
      file(sound, { 4: 25 }),
      'x: the header says that 25 bytes are live at the peak, but it is 24',
    ],
    ['damaged gzip', gzipSync(file(sound)).fill(0xff, 12, 16), 'x: cannot be decompressed'],
    ['with an unknown kind', file(words(operation(5, 0, 8))), 'x: operation 0: unknown kind 5'],
    [
      'with a slot out of range',
      file(words(operation(Kind.malloc, 4, 8))),
      'operation 0 (malloc of 8 bytes): slot 4 is not below',
    ],
    [
      'with a free of an empty slot',
      file(words(malloc24, operation(Kind.free, 1, 0))),
      'operation 1 (free): slot 1 holds no block',
    ],
    [
      'with a double free',
      file(words(...[malloc24, [1 << 28, 0], [1 << 28, 0]])),
      'operation 2 (free): slot 0 holds no block',
    ],
    [
      'with a realloc of an empty slot',
      file(words(operation(Kind.realloc, 0, 8))),
      'operation 0 (realloc of 8 bytes): slot 0 holds',
    ],
    [
      'with a malloc in a full slot',
      file(words(malloc24, malloc24)),
      'operation 1 (malloc of 24 bytes): slot 0 still holds a block of 24',
    ],
    [
      'with an alignment of a malloc',
      file(words(operation(Kind.malloc, 0, 8, 4))),
      'only an aligned allocation has an alignment',
    ],
    ['with a free that has a size', file(words(malloc24, operation(Kind.free, 0, 8))), 'a free has no size'],
    [
      'with a request for 0 bytes',
      file(words(operation(Kind.calloc, 0, 0))),
      'operation 0 (calloc of 0 bytes): size 0',
    ],
    [
      'with more live bytes than 32 bits address',
      file(words(operation(Kind.malloc, 0, 2 ** 32 - 1), operation(Kind.malloc, 1, 2 ** 32 - 1))),
      'more than 32 bits address',
    ],
  ]
  it.each(cases)('%s', (_, broken, reason) => {
    expect(() => parseTrace(broken, 'x')).toThrow(TraceError)
    expect(() => parseTrace(broken, 'x')).toThrow(reason)
  })

  it('a file that is not there', () => {
    expect(() => readTrace('/nowhere/x.mtrc')).toThrow(TraceError)
  })

  it('packing one that does not take the lowest free slot', () => {
    const trace = toTrace('x', words(operation(Kind.malloc, 1, 8)), 2, false)
    expect(() => packTrace(trace)).toThrow('x: operation 0 (malloc of 8 bytes): slot 1 is not the lowest free one')
  })

  const columns = brotliDecompressSync(packTrace(toTrace('x', words(operation(Kind.malloc, 0, 8)), 1, false)))
  it.each([
    ['no Brotli', Buffer.from('granary trace 1\n')],
    ['something else in Brotli', brotliCompressSync(Buffer.from('not a trace at all'))],
    ['one with a kind of operation that there is not', brotliCompressSync(columns.with(-2, 16))],
    ['one with bytes behind its columns', brotliCompressSync(Buffer.concat([columns, Buffer.of(0)]))],
  ])('unpacking %s', (_, broken) => {
    expect(() => unpackTrace(broken, 'x')).toThrow('x: damaged, or not a trace in the bundled form')
  })
})

describe('the example of docs/traces.md', () => {
  const page = readFileSync(path.join(import.meta.dirname, '../docs/traces.md'), 'utf8')
  const [, code] = page.match(/<!-- example: writer -->\s*```js\n(.*?)```/s) ?? []
  const written = (code: string) => {
    const cwd = mkdtempSync(path.join(tmpdir(), 'granary-trace-'))
    try {
      execFileSync(process.execPath, ['--input-type=module', '--eval', code], { cwd, timeout: 20_000 })
      return readTrace(path.join(cwd, 'my.mtrc'), 'my')
    } finally {
      rmSync(cwd, { recursive: true })
    }
  }

  it('writes what it says', () => {
    const { malloc, free, realloc, calloc, aligned } = Kind
    const operations = [
      operation(malloc, 0, 80),
      operation(calloc, 1, 500),
      operation(realloc, 0, 120),
      operation(free, 1, 0),
      operation(malloc, 1, 50),
      operation(free, 1, 0),
      operation(aligned, 1, 8, 6),
    ]
    expect(written(code)).toEqual(toTrace('my', words(...operations), 2, true))
  })

  it('takes the lowest of many free slots, and takes no long time for it', () => {
    const many = `
      const blocks = 300_000
      for (let i = 1; i <= blocks; i++) note(malloc, 0, i, 16)
      for (let i = 1; i < blocks; i++) note(...(i % 3 ? [free, (i * 7919) % blocks, 0] : [malloc, 0, blocks + i, 8]))
      `
    const calls = /^note\(.*\n/gm
    const trace = written(code.replace(calls, '').replace('const header', `${many}\nconst header`))
    expect(trace.slots).toBe(300_000)
    expect(() => packTrace(trace)).not.toThrow()
  })
})

describe('the bundled traces', () => {
  // Of the MTRC files that they were packed from, decompressed.
  const sha256: Record<string, string> = {
    'assemblyscript-wasm32': '7a73081094bc7053ff8a3e94265187fc84aa972a7a0eaac0f6cb0f3974b597a1',
    'cpp-stl-wasm32': '8c016997c3b7ea8c56eca27728c8407e83d174659a972d1e23fa5e54ec8f399c',
    'gcc-cc1-sqlite-O1': '50b3e45c8d0f16688d635f06a6ceff643e5cfbdc4334c4fe136073f19f386754',
    'git-log-patch': '63243ec342184d4991d0aa380affb706b24ebcd66a7974f5febc882fd5ffa7e5',
    'imagemagick-transform': '72c3d19119ecea4fe77bd60e95350a92dd519372752cd1d9899e7fb88d924dd5',
    'imaging-wasm32': 'e9ae832981c3d14d42c2da3147433104cce1ce1051ff1db5cce8197da6ee166d',
    'jq-json': '7075139907a0259245a29f1d2f52b99cf8b69ca51943544c1c43fd6107a22a9e',
    'lua-strings-wasm32': '932601566fd07c417d93c6e381dbc30edf1851233b86c496b804a183fb0ca62a',
    'python-json-text': '63eb5531098755c13dea581b1cfec947ccbb395455ef23eedf08d820c70b1f3e',
    'redis-mixed': '2b8e37c9ac47f888aa79bc9d5211cf8b426b090bcc570d6baa92d6c5352f7207',
    'sqlite-wasm32': 'f51e697635b9195934442ce4e98dfc2df85aee9e164e018b33cb13eeda9fd563',
  }

  it('are these', () => {
    expect(bundledNames()).toEqual(Object.keys(sha256).sort())
  })

  it.each(Object.entries(sha256))('%s has every bit of its original', (name, hash) => {
    expect(
      createHash('sha256')
        .update(formatTrace(bundledTrace(name)))
        .digest('hex'),
    ).toBe(hash)
  })

  it('can be named as files', () => {
    const file = path.join(folder, `imagemagick-transform${BUNDLED}`)
    expect(readTrace(file, 'imagemagick-transform')).toEqual(bundledTrace('imagemagick-transform'))
    expect(unpackTrace(readFileSync(file), 'imagemagick-transform').operations).toBe(8219)
  })

  it.each([[[]], [['--help']]])('are packed by a command that, given %j, tells its usage', (args) => {
    const command = ['--import', 'tsx', 'bench/traces/pack.ts', ...args]
    const { status, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toMatch(/^usage: .*pack\.ts FILE/)
  })

  it('take less than 4 MB', () => {
    const bytes = bundledNames().map((name) => statSync(path.join(folder, name + BUNDLED)).size)
    expect(bytes.reduce((a, b) => a + b)).toBeLessThan(4_000_000)
  })
})
