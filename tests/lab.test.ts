// npm run bench: its workloads, its statistics, what it is asked for, and the page that it writes.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { parseCommand, reportable, usage } from '../bench/lab/arguments.ts'
import { compare, comparison, orders } from '../bench/lab/compare.ts'
import { prepare } from '../bench/lab/contestants.ts'
import { table } from '../bench/lab/markdown.ts'
import { report } from '../bench/lab/report.ts'
import { FORMAT, type ReplayResult, type Results } from '../bench/lab/results.ts'
import { runTasks } from '../bench/lab/runner.ts'
import { estimate, geometricMean, LEAST_NET, net, ratioEstimate } from '../bench/lab/stats.ts'
import { apart } from '../bench/lab/svg.ts'
import { fillThenReplace, Random, Script, synthetic, syntheticNames } from '../bench/lab/synthetic.ts'
import { meanRatio, meanTime, memoryOf, netOf, ratioTables } from '../bench/lab/tables.ts'
import type { Task } from '../bench/lab/worker.ts'
import type { Workload } from '../bench/lab/workloads.ts'
import { Progress } from '../bench/progress.ts'
import { formatTrace, Kind, kindOf, parseTrace } from '../bench/trace.ts'

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

describe('statistics', () => {
  it('net is the least minus the floor’s least, and never less than can be told', () => {
    expect(net([12, 10, 30], [4, 3])).toBe(7)
    expect(net([3], [3.1])).toBe(LEAST_NET)
  })

  it('the geometric mean of a ratio and its inverse is 1', () => {
    expect(geometricMean([4, 0.25])).toBeCloseTo(1)
  })

  it('the interval holds the value, is wider for noisier figures, and unknown for two repetitions', () => {
    const interval = (values: number[]) => estimate([[values]], ([[chosen]]) => Math.min(...chosen))
    const quiet = interval([10, 10.1, 10, 10.1, 10, 10.1, 10])
    const noisy = interval([10, 14, 18, 22, 26, 30, 34])
    for (const { value, low, high } of [quiet, noisy]) {
      expect(low).toBeLessThanOrEqual(value)
      expect(high).toBeGreaterThanOrEqual(value)
    }
    expect(noisy.high - noisy.low).toBeGreaterThan(quiet.high - quiet.low)
    expect(interval([1, 2]).high).toBe(Number.POSITIVE_INFINITY)
    expect(interval([10, 14, 18, 22])).toEqual(interval([10, 14, 18, 22]))
  })

  it('a ratio uses repetitions of the same turn', () => {
    // The machine is twice as slow in every other turn, for all alike.
    const slow = [1, 2, 1, 2, 1, 2, 1, 2]
    const ratio = ratioEstimate([slow.map((s) => 21 * s), slow.map((s) => 11 * s), slow])
    expect(ratio.value).toBeCloseTo(2)
    expect(ratio.low).toBeCloseTo(2)
    expect(ratio.high).toBeCloseTo(2)
  })
})

/** A run in which `granary` and `dlmalloc` take the given net times over a floor of 5 ns on two workloads. */
function run(granary: number, dlmalloc: number, noise = 0.01, machine = 1): Results {
  const workloads = ['alpha', 'beta']
  // Each its own order of quiet and noisy turns.
  const times = (ns: number, step = 1) =>
    Array.from({ length: 11 }, (_, i) => machine * (5 + ns * (1 + noise * (((i + step) * step) % 11))))
  const replay = (workload: string, allocator: string, ns: number) => {
    return {
      workload,
      allocator,
      cold: times(2 * ns, ns),
      warm: times(ns, ns),
      heap: 150_000,
      heapAgain: 150_000,
      residue: 0.25,
    }
  }
  const info = (id: string) => ({ id, title: id, version: '1.2.3', source: 'somewhere', alignment: 16 })
  return {
    format: FORMAT,
    date: '2031-05-06T00:00:00.000Z',
    mode: 'full',
    machine: { cpu: 'Some CPU', cores: 2, memory: 8, system: 'Linux' },
    node: 'v20.0.0',
    v8: '11',
    engineFlags: ['--flag'],
    tools: {},
    allocators: [info('granary'), info('dlmalloc')],
    workloads: workloads.map((id) => ({
      id,
      kind: 'bundled',
      about: 'a test',
      operations: 1000,
      peak: 100_000,
      largest: 64,
    })),
    replays: workloads.flatMap((workload) => [
      { ...replay(workload, 'floor', 0), cold: times(0), warm: times(0) },
      replay(workload, 'granary', granary),
      replay(workload, 'dlmalloc', dlmalloc),
    ]),
    latencies: [],
    growth: [],
    footprints: [],
    sizes: [],
    native: [],
    boundary: [],
    engines: [],
    peaks: [],
    instructions: [],
    missing: [],
  }
}

function replayIn({ replays }: Results, workload: string, allocator: string): ReplayResult {
  const found = replays.find((replay) => replay.workload === workload && replay.allocator === allocator)
  if (!found) throw new Error(`no ${allocator} on ${workload}`)
  return found
}

describe('figures of a run', () => {
  it('are net times and memory over live bytes, and none for a faulty replay', () => {
    const results = run(10, 20)
    expect(netOf(results, 'alpha', 'granary', 'warm')).toBeCloseTo(10)
    expect(memoryOf(results, 'alpha', 'granary')).toBeCloseTo(1.5)
    const figure = (workload: string, allocator: string) => netOf(results, workload, allocator, 'warm')
    expect(meanRatio(figure, ['alpha', 'beta'], 'dlmalloc', 'granary')).toBeCloseTo(2)
    results.replays[1].fault = 'operation 7: realloc does not keep the content'
    expect(netOf(results, 'alpha', 'granary', 'warm')).toBeUndefined()
    expect(memoryOf(results, 'alpha', 'granary')).toBeUndefined()
  })

  it('are of all repetitions, however few another allocator or another workload has', () => {
    const results = run(10, 20)
    const of = (workload: string, allocator: string) => replayIn(results, workload, allocator)
    of('alpha', 'dlmalloc').warm = [25, 25, 25] // net 20
    of('alpha', 'granary').warm = [40, 40, 40, 15, 40] // net 10
    of('beta', 'granary').warm = [40, 40, 40, 40, 40, 15]
    of('beta', 'dlmalloc').warm = [40, 40, 40, 40, 40, 25]
    const mean = meanTime(results, ['alpha', 'beta'], 'dlmalloc', 'granary', 'warm')
    expect(mean?.value).toBeCloseTo(2)
    expect(mean?.low).toBeGreaterThan(0)
    expect(mean?.high).toBeLessThan(10)
  })

  it('are none, and in no mean, where they cannot be told from the floor', () => {
    const results = run(10, 20)
    replayIn(results, 'alpha', 'dlmalloc').warm = Array(11).fill(3)
    expect(netOf(results, 'alpha', 'dlmalloc', 'warm')).toBeUndefined()
    expect(meanTime(results, ['alpha', 'beta'], 'dlmalloc', 'granary', 'warm')?.value).toBeCloseTo(2)
    expect(ratioTables(results)).toMatch(/^ *alpha +10.00 +< floor$/m)
    const { markdown } = report(results, 'pictures')
    expect(markdown).toContain('| alpha | 10.0 ns | < floor |')
    expect(markdown).toContain('| alpha | dlmalloc | warm | > 33.33 (')
  })
})

describe('compare', () => {
  const warm = (before: Results, after: Results) =>
    compare(before, after, 'granary').filter(({ what }) => what === 'warm')

  it('finds a change beyond the noise', () => {
    for (const { ratio, significant } of warm(run(10, 20), run(8, 20))) {
      expect(ratio.value).toBeCloseTo(0.8)
      expect(significant).toBe(true)
    }
  })

  it('takes no notice of a machine that is slower for all', () => {
    for (const { ratio, significant } of warm(run(10, 20), run(10, 20, 0.01, 1.4))) {
      expect(ratio.value).toBeCloseTo(1)
      expect(significant).toBe(false)
    }
  })

  it('finds it beside a control that made few repetitions', () => {
    const [before, after] = [run(10, 20), run(20, 20)]
    for (const results of [before, after])
      for (const { allocator, warm } of results.replays) if (allocator === 'dlmalloc') warm.length = 3
    for (const { ratio, significant } of warm(before, after)) {
      expect(ratio.high).toBeLessThan(3)
      expect(significant).toBe(true)
    }
  })

  it('does not call noise a change', () => {
    for (const { significant } of warm(run(10, 20, 0.3), run(9, 20, 0.3))) expect(significant).toBe(false)
  })

  it('leaves out what one run lacks, and says so in words', () => {
    const after = run(8, 20)
    after.replays = after.replays.filter(({ workload }) => workload === 'beta')
    expect(warm(run(10, 20), after).map(({ workload }) => workload)).toEqual(['beta'])
    expect(comparison(run(10, 20), after)).toContain('warm: −20.0 % in the geometric mean of 1')
  })
})

describe('orders', () => {
  it('agree, disagree, or are too close to count', () => {
    expect(orders(run(10, 20), run(10, 12))).toEqual({ pairs: 2, reversed: [] })
    expect(orders(run(10, 20), run(12, 10)).reversed).toEqual([
      'granary over dlmalloc, real, warm: 0.50, then 1.20',
      'granary over dlmalloc, real, cold: 0.50, then 1.20',
    ])
    expect(orders(run(10, 10.5), run(10.5, 10)).pairs).toBe(0)
    expect(orders(run(10, 11.5), run(10, 9.9)).reversed.length).toBe(2)
    expect(orders(run(10, 11.5, 0.3), run(10, 9.9)).pairs).toBe(0) // within the first run's noise
  })

  it('are of the workloads that both finish in both runs', () => {
    const after = run(10, 20)
    after.replays = after.replays.filter(({ workload, allocator }) => workload === 'beta' || allocator !== 'dlmalloc')
    expect(orders(run(10, 20), after)).toEqual({ pairs: 2, reversed: [] })
    after.replays = after.replays.filter(({ allocator }) => allocator !== 'dlmalloc')
    expect(orders(run(10, 20), after).pairs).toBe(0)
  })
})

describe('running tasks', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'granary-lab-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  it('goes on with the next where a trace cannot be read', async () => {
    const file = path.join(folder, 'broken.mtrc')
    writeFileSync(file, 'no trace')
    const replay = (workload: Workload): Task => {
      return { kind: 'replay', workload, repetitions: 1, check: false, residue: false }
    }
    const tasks = [
      replay({ kind: 'given', id: 'broken', file }),
      replay({ kind: 'synthetic', id: 'hot-pair' }),
      replay({ kind: 'given', id: 'broken', file }),
    ]
    const finished: unknown[] = []
    await runTasks(tasks, [], {
      limit: 10,
      progress: () => {},
      done: (task, reports) => finished.push([task, reports]),
      failed: (task, reason) => finished.push([task, /MTRC|trace/.test(reason)]),
    })
    const workload = { operations: 500_000, peak: 32, largest: 32 }
    expect(finished).toEqual([
      [0, true],
      [1, [{ task: 1, workload }]],
      [2, true],
    ])
  }, 30_000)
})

describe('the rivals', () => {
  it('are told one by one as they are built', async () => {
    const lines: string[] = []
    const rival = { id: 'own', title: 'Own', source: '', alignment: 16 as const, version: () => '1' }
    const none = () => {
      throw new Error('no compiler')
    }
    const rivals = [
      { ...rival, build: () => readFileSync('build/granary.wasm') },
      { ...rival, title: 'None', build: none },
    ]
    const out = { write: (line: string) => lines.push(line) } as unknown as NodeJS.WriteStream
    const { missing } = await prepare(rivals, new Progress(out))
    expect(lines).toEqual(['Own: built\n', 'None cannot be had: no compiler\n'])
    expect(missing).toEqual([{ what: 'None', why: 'no compiler' }])
  }, 60_000)
})

describe('the command line', () => {
  const module = 'build/granary.wasm'

  it('is taken at its word', () => {
    const command = parseCommand([
      '--quick',
      '--only',
      '^hot',
      '--rivals',
      'granary,zig',
      '--reps',
      '5',
      `own=${module}`,
    ])
    if (command.name !== 'measure') throw new Error(command.name)
    const { mode, rivals, workloads, repetitions } = command.request
    expect(rivals.map(({ id }) => id)).toEqual(['own', 'granary', 'zig'])
    expect({ mode, workloads, repetitions }).toEqual({
      mode: 'quick',
      workloads: [{ kind: 'synthetic', id: 'hot-pair' }],
      repetitions: 5,
    })
  })

  it.each([
    [['--reps', 'abc'], '--reps wants a number from 1 on, not abc'],
    [['--reps', '0'], '--reps wants a number from 1 on, not 0'],
    [['--rivals', 'granary,dlmaloc'], 'no allocator is called dlmaloc; there are granary, dlmalloc,'],
    [['--onyl', 'x'], "Unknown option '--onyl'\n\nnpm run bench"],
    [['--only', '('], '--only: Invalid regular expression'],
    [['--only', 'nothing like it'], 'no workload is called like nothing like it'],
    [['--traces', '/does/not/exist'], 'no such file or directory'],
    [['own=/does/not/exist.wasm'], 'own: ENOENT'],
    [['own=package.json'], 'own: package.json is no WebAssembly module'],
    [['reprot'], 'reprot is neither a command nor NAME=FILE.wasm'],
    [['compare', 'one.json'], 'compare wants two files'],
    [['report', '/does/not/exist.json'], '/does/not/exist.json: ENOENT'],
    [['report', 'package.json'], 'package.json is not a run of this lab as it is now'],
  ])('%j is refused', (args, reason) => {
    expect(() => parseCommand(args)).toThrow(reason)
  })

  it('helps without loading what measures, which takes seconds', async () => {
    const log = vi.spyOn(console, 'log').mockReturnValue()
    vi.stubGlobal('process', { ...process, argv: ['node', 'main.ts', '--help'] })
    vi.doMock('../bench/lab/measure.ts', () => {
      throw new Error('measure.ts is loaded')
    })
    try {
      await import('../bench/lab/main.ts')
      expect(log.mock.calls).toEqual([[usage]])
    } finally {
      vi.doUnmock('../bench/lab/measure.ts')
      vi.unstubAllGlobals()
      log.mockRestore()
    }
  })

  it('lets no page be made from half a run', () => {
    expect(reportable(run(10, 20)).mode).toBe('full')
    expect(() => reportable({ ...run(10, 20), mode: 'quick' })).toThrow('a quick one')
    expect(() => reportable({ ...run(10, 20), unfinished: 'latency' })).toThrow('its part “latency”')
    expect(() => reportable({ ...run(10, 20), replays: [] })).toThrow('no times')
  })

  it('lets no page be made from sources that are not committed', () => {
    const of = (commit: string) => reportable({ ...run(10, 20), tools: { commit } })
    expect(of('granary at commit 1234567').mode).toBe('full')
    expect(() => of('granary at commit 1234567 and changes since')).toThrow(
      'the page is made from a run of what is committed, and this is one of granary at commit 1234567 and changes since',
    )
  })
})

describe('report', () => {
  it('has prose at the left and numbers at the right', () => {
    expect(table(['who', 'how many', 'why'], [['one', '1', 'so']], 'lrl')).toBe(
      '| who | how many | why |\n| --- | ---: | --- |\n| one | 1 | so |',
    )
    expect(table(['who', 'a', 'b'], [])).toBe('| who | a | b |\n| --- | ---: | ---: |')
  })

  it('takes every figure from the run', () => {
    const { markdown, pictures } = report(run(10, 30), 'pictures')
    expect(markdown).toContain('| dlmalloc | 3.00 (')
    expect(markdown).toContain('2031-05-06')
    expect(Object.keys(pictures).sort()).toEqual(['field.svg', 'workloads.svg'])
    for (const name of Object.keys(pictures)) expect(markdown).toContain(`(pictures/${name})`)
    const slower = report(run(10, 40), 'pictures')
    expect(slower.markdown).toContain('| dlmalloc | 4.00 (')
    expect(slower.markdown).not.toContain('3.00 (')
  })

  it('says where we lose, who fails and what is missing', () => {
    const results = run(30, 10)
    results.replays[2].fault = 'operation 7: realloc does not keep the content'
    results.missing.push({ what: 'some allocator', why: 'its package is gone' })
    const { markdown } = report(results, 'pictures')
    expect(markdown).toContain('| beta | dlmalloc | warm | 3.00 (')
    expect(markdown).toContain('| dlmalloc | alpha | operation 7: realloc does not keep the content |')
    expect(markdown).toContain('| some allocator | its package is gone |')
    expect(markdown).toContain('| dlmalloc |')
    expect(markdown).toContain('1 of 2 |')
  })

  it('has the largest growth in a second replay, not a mean of it', () => {
    const results = run(10, 20)
    replayIn(results, 'beta', 'granary').heapAgain += 3 * 65_536
    const { markdown } = report(results, 'pictures')
    expect(markdown).toMatch(/^\| granary \|.* 3 pages \(beta\) \|$/m)
    expect(markdown).toMatch(/^\| dlmalloc \|.* 0 \|$/m)
  })

  it('has the floor beside the growing heap, and tells a fault from a slow allocator', () => {
    const results = run(10, 20)
    const live = 1 << 20
    results.growth = [
      { allocator: 'floor', points: [{ live, ns: 4, heap: live }] },
      { allocator: 'granary', points: [{ live, ns: 14, heap: live }] },
      { allocator: 'dlmalloc', fault: 'operation 7: no memory', points: [] },
    ]
    const { markdown, pictures } = report(results, 'pictures')
    expect(markdown).toContain('| null floor | 4.0 ns |\n| granary | 10.0 ns |\n| dlmalloc | ✗ |')
    expect(markdown).toContain('dlmalloc: operation 7: no memory.')
    expect(pictures['growth.svg']).toContain('>null floor</text>')
  })

  it('has native means for real and synthetic workloads, and says where glibc is faster', () => {
    const results = run(10, 20)
    results.workloads[1].kind = 'synthetic'
    const native = (workload: string, allocator: string, ns: number) => ({
      workload,
      allocator,
      version: '1',
      cold: [ns],
      warm: [ns],
      resident: 0,
    })
    results.native = [
      native('alpha', 'granary', 10),
      native('alpha', 'glibc', 9),
      native('beta', 'granary', 10),
      native('beta', 'glibc', 40),
    ]
    const { markdown } = report(results, 'pictures')
    expect(markdown).toContain('| **geometric mean, real** | 0.90 | 0.90 |')
    expect(markdown).toContain('| **geometric mean, synthetic** | 4.00 | 4.00 |')
    expect(markdown).toContain('- real, warm: alpha 0.90\n')
    expect(markdown).toContain('- synthetic, warm: nowhere\n')
  })

  it('has sections for growths, bases, instructions and instantiation where they were measured', () => {
    const results = run(10, 20)
    const peak = (shift: number, pages: number) => {
      return { workload: 'alpha', allocator: 'granary', shift, heap: pages * 65_536, growths: 7 }
    }
    results.peaks = [peak(0, 12), peak(1040, 13)]
    results.instructions = [{ allocator: 'dlmalloc', malloc: 90, free: 63 }]
    results.instantiation = { compiled: 16_400, bytes: 315_000 }
    results.sizes = [{ allocator: 'granary', functions: 'five', level: 'O3', raw: 5000, gzip: 2500 }]
    const { markdown, pictures } = report(results, 'pictures')
    expect(markdown).toContain('| granary | 7 | 7 |')
    expect(markdown).toContain('| alpha | 12 | 13 |')
    expect(markdown).toContain('| dlmalloc | 90 | 63 |')
    expect(markdown).toContain('in 16 µs once it is compiled, and in 315 µs')
    expect(pictures['size.svg']).toContain('granary')
  })

  it('does not count a workload without figures as passed', () => {
    const results = run(10, 20)
    results.replays = results.replays.filter(({ workload, allocator }) => workload === 'alpha' || allocator === 'floor')
    expect(report(results, 'pictures').markdown.match(/\| 1 of 2 \|/g)?.length).toBe(2)
  })

  it('draws well-formed pictures without gaps in the figures', () => {
    for (const svg of Object.values(report(run(10, 30), 'pictures').pictures)) {
      expect(svg).not.toMatch(/NaN|undefined|Infinity/)
      expect(svg.match(/<text/g)?.length).toBe(svg.match(/<\/text>/g)?.length)
    }
  })

  it('keeps labels apart without changing their order', () => {
    const moved = apart([10, 50, 12, 11], 5)
    expect(moved).toEqual([10, 50, 20, 15])
  })
})
