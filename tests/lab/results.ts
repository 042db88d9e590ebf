// Results of a run that never was.
import { FORMAT, noResults, type ReplayResult, type Results } from '../../bench/lab/results.ts'

/** A run in which `granary` and `dlmalloc` take the given net times over a floor of 5 ns on two workloads. */
export function run(granary: number, dlmalloc: number, noise = 0.01, machine = 1): Results {
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
    ...noResults(),
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
  }
}

export function replayIn({ replays }: Results, workload: string, allocator: string): ReplayResult {
  const found = replays.find((replay) => replay.workload === workload && replay.allocator === allocator)
  if (!found) throw new Error(`no ${allocator} on ${workload}`)
  return found
}
