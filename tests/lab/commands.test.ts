// npm run bench: what it is asked for.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { parseCommand, reportable, usage } from '../../bench/lab/arguments.ts'
import { run } from './results.ts'

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
    [['--reps', 'abc'], "--reps: 'abc' is not a count"],
    [['--reps', '0'], "--reps: '0' is not a count"],
    [['--rivals', 'granary,dlmaloc'], "no allocator is called 'dlmaloc'; there are granary, dlmalloc,"],
    [['--rivals='], "no allocator is called ''; there are granary, dlmalloc,"],
    [['--rivals', 'tlsf,tlsf'], 'two allocators are called tlsf'],
    [['--onyl', 'x'], "Unknown option '--onyl'"],
    [['--only', '('], '--only: Invalid regular expression'],
    [['--only', 'nothing like it'], 'no workload’s name matches nothing like it'],
    [['--traces', '/does/not/exist'], 'no such file or directory'],
    [['own=/does/not/exist.wasm'], 'own: ENOENT'],
    [['own=package.json'], 'own: package.json is no WebAssembly module'],
    [[`own=${module}`, `own=${module}`], 'two allocators are called own'],
    [[`tlsf=${module}`, '--rivals', 'granary,tlsf'], 'two allocators are called tlsf'],
    [[`floor=${module}`], 'two allocators are called floor'],
    [[`../../own=${module}`], 'NAME=FILE.wasm with a name of letters, digits, _, . and -'],
    [[`=${module}`], 'NAME=FILE.wasm with a name of letters, digits, _, . and -'],
    [['reprot'], 'reprot is neither a command nor NAME=FILE.wasm'],
    [['compare', 'one.json'], 'compare wants two files'],
    [['report', '/does/not/exist.json'], '/does/not/exist.json: ENOENT'],
    [['report', 'package.json'], 'package.json is not a run of this lab as it is now'],
  ])('%j is refused', (args, reason) => {
    expect(() => parseCommand(args)).toThrow(reason)
  })

  it('takes no file for a run that lacks a part of one', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'granary-lab-'))
    const file = path.join(folder, 'run.json')
    try {
      writeFileSync(file, JSON.stringify(run(10, 20)))
      expect(parseCommand(['report', file]).name).toBe('report')
      for (const part of ['machine', 'replays', 'peaks']) {
        writeFileSync(file, JSON.stringify({ ...run(10, 20), [part]: undefined }))
        expect(() => parseCommand(['report', file])).toThrow(`${file} is not a run of this lab as it is now`)
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('helps without loading what measures, which takes seconds', async () => {
    const log = vi.spyOn(console, 'log').mockReturnValue()
    vi.stubGlobal('process', { ...process, argv: ['node', 'main.ts', '--help'] })
    vi.doMock('../../bench/lab/measure.ts', () => {
      throw new Error('measure.ts is loaded')
    })
    try {
      await import('../../bench/lab/main.ts')
      expect(log.mock.calls).toEqual([[usage]])
    } finally {
      vi.doUnmock('../../bench/lab/measure.ts')
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
