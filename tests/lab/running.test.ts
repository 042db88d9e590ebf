// npm run bench: the order of its tasks, the processes that run them, the rivals.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import binaryen from 'binaryen'
import { afterAll, describe, expect, it } from 'vitest'
import { orders } from '../../bench/lab/compare.ts'
import { prepare } from '../../bench/lab/contestants.ts'
import { buildRival } from '../../bench/lab/rivals.ts'
import { runTasks } from '../../bench/lab/runner.ts'
import type { Task } from '../../bench/lab/tasks.ts'
import { outputOf } from '../../bench/lab/tools.ts'
import type { Workload } from '../../bench/lab/workloads.ts'
import { Progress } from '../../bench/progress.ts'
import { run } from './results.ts'

/** A module that never allocates, with further imports. */
function allocator(imports: string): Uint8Array {
  const pointer = (name: string, parameters: string) =>
    `(func (export "${name}") (param ${parameters}) (result i32) (i32.const 0))`
  const two = ['realloc', 'calloc', 'aligned_alloc'].map((name) => pointer(name, 'i32 i32'))
  return binaryen
    .parseText(
      `(module ${imports} (import "env" "memory" (memory 0)) ${pointer('malloc', 'i32')} ${two.join(' ')}
        (func (export "free") (param i32)))`,
    )
    .emitBinary()
}

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
  })

  it('ends with the reason where nobody is told of a trace that cannot be read', async () => {
    const workload: Workload = { kind: 'given', id: 'missing', file: path.join(folder, 'missing.mtrc') }
    const options = { limit: 10, progress: () => {}, done: () => {} }
    await expect(runTasks([{ kind: 'peak', workload }], [], options)).rejects.toThrow('missing.mtrc: cannot be read')
  })
})

describe('the rivals', () => {
  it('say which command installs what they lack', () => {
    const why = 'no-such-compiler is missing: run npm run bench:setup'
    expect(() => outputOf('no-such-compiler', [])).toThrow(why)
  })

  it('say of a command that is there why it gave nothing', () => {
    expect(() => outputOf(tmpdir(), [])).toThrow('EACCES')
    expect(() => outputOf(process.execPath, ['-e', 'process.exit(3)'])).toThrow('failed: it ended with 3')
  })

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
  })

  it('may import nothing but the memory and the heap’s base', async () => {
    const build = () => allocator('(import "host" "log" (func))')
    const rival = { id: 'own', title: 'Own', source: '', alignment: 16 as const, version: () => '1', build }
    await expect(buildRival(rival)).rejects.toThrow('its module imports host.log, which the bench cannot give')
  })
})

describe('the command', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'granary-lab-'))
  const at = (name: string) => path.join(folder, name)
  afterAll(() => rmSync(folder, { recursive: true }))
  writeFileSync(at('own.wasm'), allocator(''))
  writeFileSync(at('other.json'), '{}')
  const bench = (...args: string[]) => {
    const command = [
      '--import',
      'tsx',
      'bench/lab/main.ts',
      '--quick',
      '--rivals=tlsf',
      '--only=^hot-pair$',
      '--reps=1',
    ]
    return spawnSync(process.execPath, [...command, ...args, `own=${at('own.wasm')}`], { encoding: 'utf8' })
  }

  it('ends with 1 where a candidate replays nothing', () => {
    writeFileSync(at('run.json'), JSON.stringify(run(10, 20)))
    const { status, stdout } = bench('--json', at('run.json'))
    expect(stdout).toMatch(/^own on hot-pair: operation 0: the allocation failed$/m)
    expect(stdout).toMatch(/^results: /m)
    expect(status).toBe(1)
    expect(readFileSync(at('run.json'), 'utf8')).toMatch(/^\{"format":.*"own"/)
  })

  it.each([
    ['no name', [], '--json: the name of a file is missing'],
    ['a folder', [folder], '--json: EISDIR'],
    [
      'what is no run',
      [at('other.json')],
      `--json: ${at('other.json')} is no result of this program’s: it would be lost`,
    ],
  ])('refuses to write results to %s before any work', (_, [file = ''], reason) => {
    const { status, stdout, stderr } = bench(`--json=${file}`)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr.split('\n')).toEqual([expect.stringContaining(reason), 'See npm run bench -- --help', ''])
    expect(readFileSync(at('other.json'), 'utf8')).toBe('{}')
  })
})
