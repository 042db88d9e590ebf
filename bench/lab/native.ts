// The same replay by native allocators and by ours in this engine, in turns; gross on both sides.
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { root } from '../../scripts/run.mjs'
import type { NativeResult } from './results.ts'
import { runTasks } from './runner.ts'
import type { Contestant, Task } from './tasks.ts'
import { debianVersion, labFolder, outputOf } from './tools.ts'
import { warmRounds } from './turns.ts'
import { traceFile, type Workload } from './workloads.ts'

interface Native {
  id: string
  debian: string
  library?: string
}

const natives: Native[] = [
  { id: 'glibc', debian: 'libc6' },
  { id: 'jemalloc', debian: 'libjemalloc2', library: 'libjemalloc.so.2' },
  { id: 'tcmalloc', debian: 'libtcmalloc-minimal4', library: 'libtcmalloc_minimal.so.4' },
  { id: 'mimalloc', debian: 'libmimalloc2.0', library: 'libmimalloc.so.2.0' },
]

const libraries = '/usr/lib/x86_64-linux-gnu'

/**
 * Replays every workload in every native allocator and in `ours`, one repetition of each after the other, each in a process
 * of its own, and hands over the figures of each workload.
 */
export async function measureNative(
  workloads: Workload[],
  ours: Contestant | undefined,
  repetitions: number,
  limit: number,
  progress: (step: string, done: number) => void,
  done: (rows: NativeResult[]) => void,
): Promise<void> {
  const driver = buildDriver()
  for (const [index, workload] of workloads.entries()) {
    const { file, trace } = traceFile(workload)
    const row = (allocator: string, version: string): NativeResult => {
      return { workload: workload.id, allocator, version, cold: [], warm: [], resident: 0 }
    }
    const rows = natives.map(({ id, debian }) => row(id, debianVersion(debian)))
    const own = row('granary', '')
    for (let repetition = 0; repetition < repetitions; repetition++) {
      progress(`${workload.id}: repetition ${repetition + 1}`, index / workloads.length)
      for (const [i, { library }] of natives.entries())
        if (!rows[i].fault) replayNatively(driver, [file, String(warmRounds(trace))], library, limit, rows[i])
      if (ours && !own.fault) await replayOurs(workload, ours, limit, own)
    }
    done([...rows, ...(ours ? [own] : [])])
  }
}

function replayNatively(
  driver: string,
  args: string[],
  library: string | undefined,
  limit: number,
  row: NativeResult,
): void {
  try {
    const printed = execFileSync(driver, args, {
      env: { ...process.env, LD_PRELOAD: library ? path.join(libraries, library) : '' },
      encoding: 'utf8',
      timeout: limit * 6000,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const { cold, warm, resident } = JSON.parse(printed)
    row.cold.push(cold)
    row.warm.push(warm)
    row.resident = Math.max(row.resident, resident)
  } catch (error) {
    row.fault = (error as Error).message.split('\n')[0]
  }
}

async function replayOurs(workload: Workload, ours: Contestant, limit: number, row: NativeResult): Promise<void> {
  const task: Task = { kind: 'replay', workload, repetitions: 1, check: false, residue: false }
  await runTasks([task], [ours], {
    limit,
    progress: () => {},
    done(_, reports) {
      for (const report of reports) {
        if ('fault' in report) row.fault = report.fault
        if (!('cold' in report)) continue
        row.cold.push(report.cold)
        row.warm.push(report.warm)
        row.resident = report.heap
      }
    },
    failed(_, reason) {
      row.fault = reason
    },
  })
}

function buildDriver(): string {
  const source = path.join(root, 'bench/lab/native.c')
  const file = path.join(labFolder, 'native')
  outputOf('gcc', [
    '-O3',
    '-fno-builtin-malloc',
    '-fno-builtin-calloc',
    '-fno-builtin-realloc',
    '-fno-builtin-free',
    source,
    '-o',
    file,
  ])
  return file
}
