// npm run bench: the order of its tasks, the processes that run them, the rivals.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { orders } from '../../bench/lab/compare.ts'
import { prepare } from '../../bench/lab/contestants.ts'
import { text } from '../../bench/lab/rivals.ts'
import { runTasks } from '../../bench/lab/runner.ts'
import type { Task } from '../../bench/lab/worker.ts'
import type { Workload } from '../../bench/lab/workloads.ts'
import { Progress } from '../../bench/progress.ts'
import { run } from './results.ts'

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
  it('say which command installs what they lack', () => {
    const why = 'no-such-compiler is missing: run npm run bench:setup'
    expect(() => text('no-such-compiler', [])).toThrow(why)
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
  }, 60_000)
})
