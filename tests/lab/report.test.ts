// npm run bench: the page that it writes.
import { describe, expect, it } from 'vitest'
import { table } from '../../bench/lab/markdown.ts'
import { report } from '../../bench/lab/report.ts'
import { apart } from '../../bench/lab/svg.ts'
import { replayIn, run } from './results.ts'

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
    results.growth[2].fault = 'not done after 3 s'
    expect(report(results, 'pictures').markdown).toContain('| dlmalloc | slow |')
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
      native('alpha', 'jemalloc', 9),
      native('beta', 'granary', 10),
      native('beta', 'glibc', 40),
      { ...native('beta', 'jemalloc', 9), fault: 'it hangs' },
    ]
    const { markdown } = report(results, 'pictures')
    expect(markdown).toContain('| **geometric mean, real** | 0.90 | 0.90 | 0.90 | 0.90 |')
    expect(markdown).toContain('| **geometric mean, synthetic** | 4.00 | 4.00 | – | – |')
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
