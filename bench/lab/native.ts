// The same replay by native allocators in turns, then by ours in this engine; gross on both sides.
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { formatTrace } from '../trace.ts'
import type { NativeResult } from './results.ts'
import { debianVersion, labFolder, put, root, text } from './rivals.ts'
import { runTasks } from './runner.ts'
import type { Contestant } from './worker.ts'
import { loadWorkload, type Workload } from './workloads.ts'

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

/** Replays every workload in every native allocator, one repetition of each after the other, and then in `ours`. */
export async function measureNative(
  workloads: Workload[],
  ours: Contestant | undefined,
  repetitions: number,
  limit: number,
  progress: (step: string, done: number) => void,
): Promise<NativeResult[]> {
  const driver = buildDriver()
  const results: NativeResult[] = []
  for (const [index, workload] of workloads.entries()) {
    const file = path.join(labFolder, 'mtrc', `${workload.id}.mtrc`)
    const trace = loadWorkload(workload)
    put(file, formatTrace(trace))
    const rows = natives.map(({ id, debian }): NativeResult => {
      return { workload: workload.id, allocator: id, version: debianVersion(debian), cold: [], warm: [], resident: 0 }
    })
    const own: NativeResult = {
      workload: workload.id,
      allocator: 'granary',
      version: '',
      cold: [],
      warm: [],
      resident: 0,
    }
    for (let repetition = 0; repetition < repetitions; repetition++) {
      progress(`${workload.id}: native, repetition ${repetition + 1}`, index / workloads.length)
      for (const [i, { library }] of natives.entries()) {
        const row = rows[i]
        if (row.fault) continue
        try {
          const preload = library ? path.join(libraries, library) : ''
          const env = { ...process.env, LD_PRELOAD: preload }
          const printed = execFileSync(driver, [file], {
            env,
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
    }
    if (ours) {
      progress(`${workload.id}: granary`, index / workloads.length)
      const task = { kind: 'replay' as const, workload, repetitions, check: false, residue: false }
      const [reports] = await runTasks([task], [ours], { limit, progress: () => {} })
      for (const report of reports) {
        if ('fault' in report) own.fault = report.fault
        if (!('cold' in report)) continue
        own.cold.push(report.cold)
        own.warm.push(report.warm)
        own.resident = report.heap
      }
    }
    results.push(...rows, ...(ours ? [own] : []))
  }
  return results
}

function buildDriver(): string {
  const source = path.join(root, 'bench/lab/native.c')
  const file = path.join(labFolder, 'native')
  text('gcc', [
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
