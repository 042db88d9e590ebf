// What an allocator costs besides time: pages and growths of the memory, instructions, and the time until it is ready.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { performance } from 'node:perf_hooks'
import { root } from '../../scripts/run.mjs'
import { countGrowths, merge } from '../replay/merge.ts'
import { stored } from './contestants.ts'
import type { Instructions, Peak, Results } from './results.ts'
import { buildRival, dlmallocAt, granaryModule, type Rival } from './rivals.ts'
import { runTasks } from './runner.ts'
import { median } from './stats.ts'
import type { Contestant, Task } from './tasks.ts'
import { outputOf, python } from './tools.ts'
import type { Workload } from './workloads.ts'

/** How far into a page the heap begins where a program's own data end in the middle of one. */
export const SHIFT = 1040

/** How high each contestant's memory rises in a replay, and in how many growths; `skip` names who need not try. */
export async function measurePeaks(
  workloads: Workload[],
  contestants: Contestant[],
  shift: number,
  skip: { task: number; contestant: string }[],
  limit: number,
  progress: (step: string, done: number) => void,
): Promise<Peak[]> {
  const counted = contestants.map(({ id, file, alignment }): Contestant => {
    return { id, file: stored(`${id}-counted`, countGrowths({ name: id, wasm: readFileSync(file) })), alignment }
  })
  const tasks = workloads.map((workload): Task => ({ kind: 'peak', workload }))
  const peaks: Peak[] = []
  await runTasks(tasks, counted, {
    limit,
    skip,
    progress: (task, _, contestant) => progress(`${workloads[task].id} ${contestant}`, task / tasks.length),
    done(task, reports) {
      for (const report of reports) {
        if (!('growths' in report)) continue
        const { contestant: allocator, heap, growths } = report
        peaks.push({ workload: workloads[task].id, allocator, shift, heap, growths })
      }
    },
  })
  return peaks
}

/** Granary and dlmalloc, the leanest rival, with heaps that begin SHIFT bytes into a page: those that can be moved so. */
export function shifted(): Contestant[] {
  const granary = merge({ name: 'granary', wasm: readFileSync(granaryModule) }, SHIFT)
  const dlmalloc = merge({ name: 'dlmalloc', wasm: dlmallocAt(SHIFT) })
  return [
    { id: 'granary', file: stored('granary-shifted', granary), alignment: 16 },
    { id: 'dlmalloc', file: stored('dlmalloc-shifted', dlmalloc), alignment: 8 },
  ]
}

/** The instructions that malloc and free of a block execute when the same was allocated and freed just before. */
export async function countInstructions(rivals: Rival[]): Promise<Instructions[]> {
  const modules = await Promise.all(rivals.map(async (rival) => ({ name: rival.id, file: await buildRival(rival) })))
  return JSON.parse(outputOf(python, [path.join(root, 'bench/lab/wasmtime_fuel.py'), JSON.stringify(modules)]))
}

const INSTANCES = 101

/** Median nanoseconds that granary's module takes to be ready, in this engine as it is by default. */
export function measureInstantiation(): Results['instantiation'] {
  const bytes = readFileSync(granaryModule)
  const module = new WebAssembly.Module(bytes)
  // V8 does not compile the same bytes twice: a custom section with the instance's number makes each module another.
  const another = (i: number) => new WebAssembly.Module(Buffer.concat([bytes, Buffer.from([0, 3, 1, 0x6e, i])]))
  const timed = (work: (imports: WebAssembly.Imports, i: number) => void) =>
    median(
      Array.from({ length: INSTANCES }, (_, i) => {
        const memory = new WebAssembly.Memory({ initial: 1 })
        const env = { memory, __heap_base: new WebAssembly.Global({ value: 'i32' }, SHIFT) }
        const start = performance.now()
        work({ env }, i)
        return (performance.now() - start) * 1e6
      }),
    )
  return {
    compiled: timed((imports) => new WebAssembly.Instance(module, imports)),
    bytes: timed((imports, i) => new WebAssembly.Instance(another(i), imports)),
  }
}
