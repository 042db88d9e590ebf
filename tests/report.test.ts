// npm start's last part: the table, the page, and what the command answers to wrong input.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inspect } from '../bench/replay/inspect.ts'
import type { Figure } from '../bench/replay/measure.ts'
import { contestant, LEAST_NET } from '../bench/replay/measure.ts'
import { tlsfAllocator } from '../bench/replay/merge.ts'
import { type Bar, bars, heapMap, histogram, timeline } from '../bench/start/plots.ts'
import { formatReport, INTERVALS } from '../bench/start/report.ts'
import { formatBytes, means, type Outcome, type Result, type Run } from '../bench/start/result.ts'
import { formatRun } from '../bench/start/table.ts'
import { formatTrace, Kind, type Trace, toTrace } from '../bench/trace.ts'

/** 750 blocks of 73 B to 54 KB, every third freed at once. */
function smallTrace(name: string): Trace {
  const words: number[] = []
  for (let i = 0; i < 750; i++) {
    words.push(i, 73 * (i + 1))
    if (i % 3 === 2) words.push((i - 1) | (Kind.free << 28), 0)
  }
  return toTrace(name, Uint32Array.from(words), 750, true)
}

const figure = (minimum: number): Figure => ({
  minimum,
  lowerQuartile: minimum + 1,
  median: minimum + 2,
  upperQuartile: minimum + 4,
})

describe('a run', () => {
  const names = ['plain', '<script>alert("1 & 2")</script>', 'rival fails', 'granary fails']
  let run: Run
  beforeAll(() => {
    const tlsf = contestant(tlsfAllocator(), 16)
    const outcome = (trace: Trace, heap: number, warm: number, cold: number): Outcome => ({
      measurement: {
        warm: figure(warm),
        cold: figure(cold),
        heapBytes: heap * trace.peak,
        heapBytesAgain: 1.25 * heap * trace.peak,
      },
      inspection: inspect(tlsf, trace, INTERVALS, 1 << 16),
    })
    const results = names.map((name, i): Result => {
      const trace = smallTrace(name)
      return {
        trace,
        granary: i === 3 ? new Error('granary <broke>') : outcome(trace, 1.125, 10, 20),
        rival: i === 2 ? new Error('rival <broke>') : outcome(trace, 1.5, i === 0 ? 20 : 80, 40),
      }
    })
    const machine = { processor: 'A <fast> one', cores: 2, memory: 2 ** 34, system: 'X', engine: 'Y', flags: ['--z'] }
    run = { results, rival: 'TLSF', repetitions: 5, machine, date: new Date(0), moduleBytes: 12345 }
  })

  it('has the geometric means of the traces that both replayed', () => {
    const mean = means(run.results)
    expect(mean?.traces).toBe(2)
    expect(mean?.ratios.warm).toBeCloseTo(0.25, 12)
    expect(mean?.ratios.cold).toBeCloseTo(0.5, 12)
    expect(mean?.ratios.memory).toBeCloseTo(0.75, 12)
    expect(means(run.results.slice(2))).toBeUndefined()
  })

  it('has no times of replays that are over before the clock can tell', () => {
    const [{ granary, rival }] = run.results
    const trace = toTrace('tiny', Uint32Array.from([0, 100]), 1, true)
    const tiny = { ...run, results: [{ trace, granary, rival }] }
    expect(means(tiny.results)?.ratios).toMatchObject({ warm: undefined, cold: undefined })
    expect(formatRun(tiny)).toMatch(/^tiny( +–){6}$/m)
    expect(formatReport(tiny)).toMatch(/<tr><th [^>]*>tiny<\/th>(<td>–<\/td>){6}/)
    expect(formatReport(tiny)).toContain('<p class="soft">1 operation (realloc')
  })

  it('does not compare what cannot be told from the replay’s own cost', () => {
    const [{ trace, granary, rival }] = run.results
    if (granary instanceof Error) throw granary
    const { measurement } = granary
    const least = { ...granary, measurement: { ...measurement, warm: { ...measurement.warm, minimum: LEAST_NET } } }
    const floored = { ...run, results: [{ trace, granary: least, rival }] }
    expect(means(floored.results)?.ratios).toMatchObject({ warm: undefined, cold: 0.5 })
    expect(formatRun(floored)).toMatch(/^plain +< 0\.3 \(12\.0 ±1\.5\) +20\.0 \(22\.0 ±1\.5\) +– /m)
    expect(formatReport(floored)).toContain('<td>&#60; 0.3<small>')
    expect(formatRun(floored) + formatReport(floored)).not.toMatch(/NaN|undefined/)
  })

  it('is a table that says all of it', () => {
    const lines = formatRun(run).split('\n')
    const line = (start: string) => lines.filter((text) => text.startsWith(start)).map((text) => text.split(/ {2,}/))
    expect(line('plain')).toEqual([
      ['plain', '10.0 (12.0 ±1.5)', '20.0 (22.0 ±1.5)', '0.50', '20.0 (22.0 ±1.5)', '40.0 (42.0 ±1.5)', '0.50'],
      [
        'plain',
        expect.stringMatching(/^1\d\.\d MiB$/),
        '1.125',
        '1.500',
        '1.250',
        '1.250',
        ...Array(4).fill(expect.any(String)),
      ],
    ])
    expect(line('rival fails')[0]).toEqual(['rival fails', '10.0 (12.0 ±1.5)', 'failed', '20.0 (22.0 ±1.5)', 'failed'])
    expect(line('granary fails')[0]).toEqual([
      'granary fails',
      'failed',
      '80.0 (82.0 ±1.5)',
      'failed',
      '40.0 (42.0 ±1.5)',
    ])
    expect(line('geometric mean of 2').map((row) => row.slice(1))).toEqual([
      ['0.250', '0.500'],
      ['1.125', '1.500'],
    ])
    expect(lines.join()).not.toMatch(/NaN|undefined|Infinity/)
  })

  it('is tables of 80 columns where there are no more', () => {
    const results = run.results.slice(0, 1)
    const rows = formatRun({ ...run, results }, 80)
      .split('\n')
      .filter((line) => /^(trace|plain) /.test(line))
    expect(rows).toHaveLength(2 * 4)
    for (const row of rows) expect(row.length).toBeLessThanOrEqual(80)
  })

  it('has sentences that are broken where a line is full', () => {
    const [first, second] = formatRun(run, 60).split('\n')
    expect(`${first} ${second}`).toBe(
      'Net CPU time in nanoseconds an operation: minimum (median ±half the interquartile range) of 5.',
    )
    expect(first.length).toBeLessThanOrEqual(60)
    expect(`${first} ${second.split(' ')[0]}`.length).toBeGreaterThan(60)
  })

  it('is a page that needs nothing else', () => {
    const html = formatReport(run)
    expect(html).not.toMatch(/https?:|\bsrc=|\bhref=|url\(|@import|<link|<script/i)
    expect(html).not.toMatch(/NaN|undefined|Infinity/)
    for (const name of ['plain', '&#60;script&#62;alert(&#34;1 &#38; 2&#34;)&#60;/script&#62;'])
      expect(html).toContain(name)
    for (const message of ['rival &#60;broke&#62;', 'granary &#60;broke&#62;', 'A &#60;fast&#62; one'])
      expect(html).toContain(message)
    expect(html.match(/<svg /g)?.length).toBe(2 + names.length * 2 + 6 * 2)
    // Plots of other widths would have letters of other sizes.
    for (const [, width, content] of html.matchAll(/<svg viewBox="0 0 (\d+) .*?>(.*?)<\/svg>/g))
      if (content.includes('<text')) expect(width).toBe('520')
    expect(html).toContain('1970-01-01 00:00 UTC')
    expect(html).toContain('prefers-color-scheme: dark')
  })

  it('has curves from the start, also of a single operation', () => {
    const trace = toTrace('tiny', Uint32Array.from([0, 100]), 1, true)
    const svg = timeline(trace, [1], [100], [{ name: 'granary', style: 'granary', heap: [65536] }])
    // The heap grows in the operation, not from the one before to this one.
    expect(svg).toMatch(/class="line granary" d="M58,202L58,([\d.]+)L496,\1"/)
    expect(svg).not.toContain('>0.2<')
  })

  it('has plots that keep the last number of their axis', () => {
    const trace = { ...smallTrace('long'), operations: 1_000_000 }
    const svg = timeline(trace, [1_000_000], [100], [{ name: 'granary', style: 'granary', heap: [65536] }])
    const [, at] = svg.match(/<text x="([\d.]+)"[^>]*>1000k</) ?? []
    expect(Number(at) + (7 * '1000k'.length) / 2).toBeLessThan(520)
  })

  it('has bars as long as their values, the longest with its line within the plot', () => {
    const lengths = (...values: Omit<Bar, 'label' | 'style'>[]) => {
      const all = values.map((value) => ({ ...value, label: '', style: 'granary' }))
      return [...bars('x', [{ name: '', bars: all }]).matchAll(/<rect [^>]* width="([\d.]+)"/g)].map(([, n]) =>
        Number(n),
      )
    }
    const [full] = lengths({ value: 7 })
    expect(lengths({ value: 1 }, { value: 2 })).toEqual([full / 2, full])
    expect(lengths({ value: 2, line: [2, 4] })).toEqual([full / 2])
  })

  it('has a histogram of the requests and of their bytes', () => {
    const sizes = [16, 16, 9, 1024]
    const words = sizes.flatMap((size, slot) => [slot, size])
    const svg = histogram(toTrace('sizes', Uint32Array.from([...words, Kind.free << 28, 0]), 4, true))
    const shares = [...svg.matchAll(/<title>([^<]*): ([\d.]+) %/g)].filter(([, , share]) => share !== '0.0')
    expect(shares.map(([, what, share]) => [what, share])).toEqual([
      ['requests to 16 B', '75.0'],
      ['bytes to 16 B', '3.8'],
      ['requests to 1 KiB', '25.0'],
      ['bytes to 1 KiB', '96.2'],
    ])
  })

  it('has a map whose cells are in rows, and what lies in a row as one piece', () => {
    const cells = new Uint8Array(130).fill(1, 126, 129)
    const svg = heapMap('x', { heapBytes: 130, bytes: [], cells })
    expect(svg).toContain('viewBox="0 0 128 2"')
    expect(svg).toContain('class="c0" d="M0 0h126v1h-126zM1 1h1v1h-1z"')
    expect(svg).toContain('class="c1" d="M126 0h2v1h-2zM0 1h1v1h-1z"')
  })

  it('shows both heaps where one is as large as the other', () => {
    const trace = smallTrace('equal')
    const heaps = ['granary', 'rival'].map((style) => ({ name: style, style, heap: [65536] }))
    expect(timeline(trace, [1000], [100], heaps)).toMatch(/"line rival".*"line granary"/) // the broader one is below
    expect(formatReport(run)).toMatch(/\.line\.rival \{[^}]*stroke-width: 4 \}/)
  })

  it('says what its plots show to those who do not see them', () => {
    const html = formatReport(run)
    const [{ trace, granary }] = run.results
    if (granary instanceof Error) throw granary
    const size = formatBytes(granary.inspection.heap.at(-1) ?? 0)
    const sizes = `at most ${formatBytes(trace.peak)} live; granary ${size} at the end; TLSF ${size} at the end`
    expect(html).toContain(`aria-label="Heap and live bytes over time, plain: ${sizes}"`)
    const [, shares] = html.match(/aria-label="What granary’s heap consists of: ([^"]*)"/) ?? []
    const percents = [...shares.matchAll(/([\d.]+) % \S/g)].map(([, percent]) => Number(percent))
    expect(percents.reduce((a, b) => a + b)).toBeCloseTo(100, 0)
    expect(shares).toMatch(/ % to 64 KiB; [\d.]+ % headers and rounding; /)
  })

  it('has a table that is read and scrolled without a mouse', () => {
    const html = formatReport(run)
    expect(html).toContain('<div class="card wide" role="region" aria-label="All figures" tabindex="0">')
    expect(html).not.toMatch(/<th(?! scope=)[ >]/)
    expect(html.match(/<th scope="row"/g)?.length).toBe(names.length + 1)
  })

  it('shortens names that there is no room for before the bars and the figures', () => {
    const html = bars('x', [
      { name: 'recorded-on-a-long-day-&-night', bars: [{ value: 1, label: '1', style: 'granary' }] },
    ])
    expect(html).toContain('>recorded-on-a-long-da…</text>')
    expect(html).toContain('<title>recorded-on-a-long-day-&#38;-night</title>')
    const results = [{ ...run.results[0], trace: smallTrace('recorded-on-a-long-day-&-night') }]
    expect(formatReport({ ...run, results })).toContain(
      '<th scope="row" title="recorded-on-a-long-day-&#38;-night">recorded-on-a-long-da…</th>',
    )
  })

  it('has elements that are closed in order', () => {
    const open: string[] = []
    for (const [tag, closing, name, selfClosing] of formatReport(run).matchAll(
      /<(\/?)([a-z][a-z0-9]*)\b[^>]*?(\/?)>/gi,
    )) {
      if (selfClosing || name === 'meta') continue
      if (closing) expect(open.pop(), tag).toBe(name)
      else open.push(name)
    }
    expect(open).toEqual([])
  })

  it('says sizes in the unit that suits', () => {
    expect([0, 1023, 1024, 1536, 10 * 2 ** 20, 150.4 * 2 ** 20, 2 ** 32].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1 KiB',
      '1.5 KiB',
      '10 MiB',
      '150 MiB',
      '4 GiB',
    ])
  })
})

describe('the command', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'granary-report-'))
  const file = (name: string, content: Uint8Array) => {
    writeFileSync(path.join(folder, name), content)
    return path.join(folder, name)
  }
  afterAll(() => rmSync(folder, { recursive: true }))

  const start = (...args: string[]) =>
    spawnSync(process.execPath, ['--import', 'tsx', 'bench/start/main.ts', ...args], { encoding: 'utf8' })

  it('replays files, gzip or not, and writes the page', () => {
    const trace = formatTrace(smallTrace('x'))
    const report = path.join(folder, 'new/page.html')
    const files = [file('one.mtrc', trace), file('two.mtrc.gz', gzipSync(trace))]
    const { status, stdout, stderr } = start(...files, '--reps', '1', '--report', report)
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^one: every byte verified; .* of TLSF/m)
    expect(stdout).toMatch(/^two: every byte verified; .* of TLSF/m)
    expect(stdout).toContain('--no-liftoff --no-wasm-lazy-compilation')
    expect(readFileSync(report, 'utf8')).toMatch(/^<!doctype html>/)
  })

  it('tells traces of one name apart, and replays none twice', () => {
    const trace = formatTrace(smallTrace('x'))
    mkdirSync(path.join(folder, 'other'))
    const [one, other] = [file('same.mtrc', trace), file('other/same.mtrc', trace)]
    const { status, stdout } = start(one, other, one, '--reps', '1', '--report', path.join(folder, 'page.html'))
    expect(status).toBe(0)
    expect(stdout.match(/^.*(?=: every byte verified)/gm)).toEqual([one, other])
    const bundled = ['--only', 'imagemagick-transform,imagemagick-transform', '--reps', '1']
    expect(start(...bundled, '--report', path.join(folder, 'page.html')).stdout).toContain('geometric mean of 1')
  })

  it('shows no control characters of a file’s name', () => {
    const report = ['--reps', '1', '--report', path.join(folder, 'page.html')]
    const red = file('a\x1b[31mred\n.mtrc', formatTrace(smallTrace('x')))
    const { stdout } = start(red, ...report)
    expect(stdout).toMatch(/^a\?\[31mred\?: every byte verified/m)
    expect(stdout).not.toContain('\x1b')
    expect(start(`${red}x`).stderr).toMatch(/a\?\[31mred\?\.mtrcx: cannot be read: ENOENT.*a\?\[31mred\?\.mtrcx/)
  })

  it('finds files where the user is', () => {
    file('here.mtrc', formatTrace(smallTrace('x')))
    const args = ['--import', 'tsx', 'bench/start/main.ts', 'here.mtrc', '--reps', '1', '--report', 'here.html']
    const { status } = spawnSync(process.execPath, args, { env: { ...process.env, INIT_CWD: folder } })
    expect(status).toBe(0)
    expect(readFileSync(path.join(folder, 'here.html'), 'utf8')).toContain('<h3>here</h3>')
  })

  const sound = file('sound.mtrc', formatTrace(smallTrace('x')))
  const manySlots = file('slots.mtrc', formatTrace(toTrace('x', Uint32Array.from([0, 8]), 2 ** 20 + 1, true)))
  const broken = file('broken.mtrc', formatTrace(smallTrace('x')).subarray(0, 100))
  it.each([
    ['a truncated trace', [broken], /^\/.*\/broken\.mtrc: truncated: its header announces 1000 operations/],
    [
      'a trace that is too large, before any is replayed',
      [sound, manySlots],
      /^\/.*\/slots\.mtrc: it has 1048577 slots/,
    ],
    ['a file that is not there', [path.join(folder, 'none.mtrc')], /no such file/],
    ['a file that is no trace', ['./package.json'], /^\.\/package\.json: not an allocation trace/],
    ['an unknown option', ['--fast'], /^Unknown option '--fast'/],
    [
      'an unknown trace',
      ['--only', 'nothing'],
      /^--only: no trace is called 'nothing'; there are assemblyscript-wasm32/,
    ],
    [
      'the name of a trace in place of a file',
      ['jq-json'],
      /^there is no file jq-json: the bundled trace is --only jq-json/,
    ],
    ['a folder', [folder], /^\/.*: cannot be read/],
    ['no repetitions', ['--reps', '0'], /^--reps: '0' is not a count/],
    ['all and some', ['--all', '--only', 'jq-json'], /exclude each other/],
    ['a report in place of a trace', [sound, '--report', sound], /^--report: .*sound\.mtrc is no page/],
    ['a report where nothing can be kept', ['--report', '/dev/full'], /^--report: /],
    ['a report where no folder can be', ['--report', '/proc/reports/page.html'], /^--report: E/],
    ['a report without a name', ['--report=', sound], /^--report: the name of a file is missing$/m],
    ['a report in place of a folder', ['--report', folder], /^--report: EISDIR/],
  ])('refuses %s in one sentence', (_, args, reason) => {
    const { status, stdout, stderr } = start(...args)
    expect(status).toBe(1)
    expect(stderr).toMatch(reason)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect(stdout).toBe('')
  })

  it.each(['18.20.8', '20.0.0', '21.7.3', '22.11.0'])('refuses Node %s in one sentence', (version) => {
    const pretend = `data:text/javascript,Object.defineProperty(process, 'versions', { value: { node: '${version}' } })`
    const args = ['--import', pretend, 'scripts/start.mjs', '--help']
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toBe(`This needs Node 20.19, 22.12 or newer, and here is ${version}.\n`)
    expect(stdout).toBe('')
  })

  it('helps', () => {
    const { status, stdout } = start('--help')
    expect(status).toBe(0)
    expect(stdout).toContain('--only NAME')
    expect(stdout).toContain('or *.trace.br')
  })
})
