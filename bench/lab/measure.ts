// All that the lab measures, part by part; each part adds to the results.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import os from 'node:os'
import { processor, system } from '../machine.ts'
import { clock, type Progress } from '../progress.ts'
import { ENGINE_FLAGS } from '../replay/engine.ts'
import { measureBoundary } from './boundary.ts'
import { prepare } from './contestants.ts'
import { countInstructions, measureInstantiation, measurePeaks, SHIFT, shifted } from './costs.ts'
import { engines, nodeTitle } from './engines.ts'
import { measureNative } from './native.ts'
import { CHANGED, FORMAT, type Footprint, type Growth, noResults, type ReplayResult, type Results } from './results.ts'
import { granaryModule, type Rival } from './rivals.ts'
import { runTasks } from './runner.ts'
import { sizesOf } from './size.ts'
import type { Contestant, Report, Task } from './tasks.ts'
import { cargo, outputOf } from './tools.ts'
import { aboutWorkload, type Workload } from './workloads.ts'

export interface Plan {
  mode: 'quick' | 'full'
  rivals: Rival[]
  workloads: Workload[]
  repetitions: number
  /** Seconds of CPU time that one replay may take. */
  limit: number
}

// Real programs of two kinds (a database; big buffers that live for a short time), and a pattern that frees everything at the end.
const LATENCY_WORKLOADS = ['sqlite-wasm32', 'git-log-patch', 'free-at-random']
const LATENCY_REPLAYS = 9
const MEBIBYTE = 1 << 20
const GROWTH_LIVE = [1, 4, 16, 64, 256, 1024].map((mebibytes) => mebibytes * MEBIBYTE)
const ENGINE_WORKLOADS = [
  'assemblyscript-wasm32',
  'cpp-stl-wasm32',
  'lua-strings-wasm32',
  'sqlite-wasm32',
  'jq-json',
  'churn',
]
const ENGINE_RIVALS = ['floor', 'granary', 'dlmalloc', 'emmalloc', 'mimalloc3', 'zig', 'talc', 'tlsf']
const THOROUGH_RIVALS = [...ENGINE_RIVALS, 'mimalloc2', 'wasmalloc', 'rusty_alloc']
const THOROUGH_REPETITIONS = 5
const BOUNDARY_SECONDS = 1

type Part = (
  results: Results,
  contestants: Contestant[],
  plan: Plan,
  show: (what: string, done: number) => void,
  save: () => void,
) => Promise<void>

// Each with the share of a full run's time that it takes, for the progress display.
const fullParts: [string, number, Part][] = [
  ['speed and memory', 0.57, replays],
  ['latency', 0.12, latencies],
  ['growth', 0.1, growth],
  ['memory of small programs', 0.01, footprints],
  ['code size', 0.02, sizes],
  ['growths and bases', 0.02, peaks],
  ['instructions and instantiation', 0.01, costs],
  ['native', 0.08, native],
  ['the boundary to JavaScript', 0.02, boundary],
  ['engines', 0.05, otherEngines],
]
const quickParts: typeof fullParts = [['speed and memory', 1, replays]]

/** Runs every part of the plan and saves as it goes. A part that fails is listed as missing, with the reason. */
export async function measure(plan: Plan, progress: Progress, save: (results: Results) => void): Promise<Results> {
  const results = describeRun(plan)
  const { contestants, allocators, missing } = await prepare(plan.rivals, progress)
  results.allocators = allocators
  results.missing = missing
  if (plan.rivals.some(({ id }) => id === 'granary') && !allocators.some(({ id }) => id === 'granary'))
    throw new Error(
      `there is nothing to measure the others against: ${missing.find(({ what }) => what === 'granary')?.why}`,
    )
  let before = 0
  for (const [name, share, part] of plan.mode === 'full' ? fullParts : quickParts) {
    const start = before
    const begun = Date.now()
    const show = (what: string, done: number) => progress.show(`${name}: ${what}`, start + share * done)
    results.unfinished = name
    try {
      await part(results, contestants, plan, show, () => save(results))
    } catch (error) {
      results.missing.push({ what: name, why: (error as Error).message })
    }
    progress.finish(`${clock(Date.now() - begun)}  ${name}`)
    before += share
  }
  delete results.unfinished
  save(results)
  return results
}

function describeRun({ mode }: Plan): Results {
  return {
    format: FORMAT,
    date: new Date().toISOString(),
    mode,
    machine: {
      cpu: processor(),
      cores: os.availableParallelism(),
      memory: Math.round(os.totalmem() / 2 ** 30),
      system: system(),
    },
    node: process.version,
    v8: process.versions.v8,
    engineFlags: ENGINE_FLAGS,
    tools: toolVersions(),
    ...noResults(),
  }
}

function toolVersions(): Record<string, string> {
  const asked: Record<string, () => string> = {
    clang: () => outputOf('clang-22', ['--version']),
    cargo: () => outputOf(cargo, ['--version']),
    gcc: () => outputOf('gcc', ['--version']),
    emcc: () => outputOf('emcc', ['--version']),
    commit: () => `granary at commit ${outputOf('git', ['describe', '--always', '--exclude=*', `--dirty=${CHANGED}`])}`,
    module: () =>
      `build/granary.wasm, SHA-256 ${createHash('sha256').update(readFileSync(granaryModule)).digest('hex')}`,
  }
  const versions: Record<string, string> = {}
  for (const [name, ask] of Object.entries(asked))
    try {
      versions[name] = ask().split('\n')[0]
    } catch (error) {
      versions[name] = (error as Error).message
    }
  return versions
}

/** The workloads that could be replayed; for the others it is listed what is wrong with them. */
function replayed({ workloads }: Plan, results: Results): Workload[] {
  return workloads.filter(({ id }) => results.workloads.some((known) => known.id === id))
}

async function replays(...[results, contestants, plan, show, save]: Parameters<Part>): Promise<void> {
  const { workloads, repetitions, limit, mode } = plan
  const residue = mode === 'full'
  const tasks = workloads.map((workload): Task => ({ kind: 'replay', workload, repetitions, check: true, residue }))
  await runTasks(tasks, contestants, {
    limit,
    progress: (task, step, contestant) => show(`${workloads[task].id}: ${step} ${contestant}`, task / tasks.length),
    done(task, reports) {
      addReplays(results, workloads[task], reports)
      save()
    },
    failed: (task, why) => results.missing.push({ what: `workload: ${workloads[task].id}`, why }),
  })
}

function addReplays(results: Results, workload: Workload, reports: Report[]): void {
  const byAllocator = new Map<string, ReplayResult>()
  for (const report of reports) {
    if ('workload' in report) {
      const { id, kind } = workload
      results.workloads.push({ id, kind, about: aboutWorkload(workload), ...report.workload })
      continue
    }
    const { contestant: allocator } = report
    const empty: ReplayResult = { workload: workload.id, allocator, cold: [], warm: [], heap: 0, heapAgain: 0 }
    const entry = byAllocator.get(allocator) ?? empty
    byAllocator.set(allocator, entry)
    if ('fault' in report) entry.fault = report.fault
    else if ('cold' in report) {
      entry.cold.push(report.cold)
      entry.warm.push(report.warm)
      entry.heap = Math.max(entry.heap, report.heap)
      entry.heapAgain = Math.max(entry.heapAgain, report.heapAgain)
    } else if ('residue' in report) entry.residue = report.residue
  }
  results.replays.push(...byAllocator.values())
}

/** Who need not replay which of the workloads again, because of a fault in the first replays. */
function faultyIn(workloads: Workload[], { replays }: Results): { task: number; contestant: string }[] {
  return workloads.flatMap(({ id }, task) =>
    replays
      .filter(({ workload, fault }) => workload === id && fault)
      .map(({ allocator: contestant }) => ({ task, contestant })),
  )
}

async function latencies(...[results, contestants, plan, show, save]: Parameters<Part>): Promise<void> {
  const workloads = replayed(plan, results).filter(({ id }) => LATENCY_WORKLOADS.includes(id))
  const tasks = workloads.map((workload): Task => ({ kind: 'latency', workload, repetitions: LATENCY_REPLAYS }))
  await runTasks(tasks, contestants, {
    limit: plan.limit,
    skip: faultyIn(workloads, results),
    progress: (task, _, contestant) => show(`${workloads[task].id} ${contestant}`, task / tasks.length),
    done(task, reports) {
      const { id: workload } = workloads[task]
      for (const report of reports) {
        if (!('contestant' in report)) continue
        const { contestant: allocator } = report
        if ('fault' in report)
          results.latencies.push({ workload, allocator, fault: report.fault, clock: 0, p50: 0, curve: [], max: 0 })
        else if ('curve' in report) {
          const { clock, p50, curve, max } = report
          results.latencies.push({ workload, allocator, clock, p50, curve, max })
        }
      }
      save()
    },
    failed: (task, why) => results.missing.push({ what: `latency: ${workloads[task].id}`, why }),
  })
}

async function growth(...[results, contestants, { limit }, show]: Parameters<Part>): Promise<void> {
  await runTasks([{ kind: 'growth', lives: GROWTH_LIVE, repetitions: 3 }], contestants, {
    limit: 10 * limit, // with many a memory.grow, which past 64 MiB is dear in some engines
    progress: (_, step, contestant) => show(`${step} ${contestant}`, 0.5),
    done(_, reports) {
      for (const { id: allocator } of contestants) {
        const entry: Growth = { allocator, points: [] }
        for (const report of reports) {
          if (!('contestant' in report) || report.contestant !== allocator) continue
          if ('fault' in report) entry.fault = report.fault
          if (!('live' in report)) continue
          const { live, ns, heap } = report
          const point = entry.points.find((known) => known.live === live)
          if (point) point.ns = Math.min(point.ns, ns)
          else entry.points.push({ live, ns, heap })
        }
        results.growth.push(entry)
      }
    },
  })
}

async function footprints(...[results, contestants, { limit }]: Parameters<Part>): Promise<void> {
  await runTasks([{ kind: 'footprint' }], contestants, {
    limit,
    progress: () => {},
    done(_, reports) {
      for (const report of reports)
        if ('footprint' in report)
          results.footprints.push({ allocator: report.contestant, ...report.footprint } as Footprint)
    },
  })
}

async function peaks(...[results, contestants, plan, show]: Parameters<Part>): Promise<void> {
  const workloads = replayed(plan, results).filter(({ kind }) => kind !== 'synthetic')
  const measured = contestants.filter(({ id }) => id !== 'floor')
  const ids = measured.map(({ id }) => id)
  const skip = faultyIn(workloads, results)
  results.peaks = await measurePeaks(workloads, measured, 0, skip, plan.limit, show)
  const moved = shifted().filter(({ id }) => ids.includes(id))
  results.peaks.push(...(await measurePeaks(workloads, moved, SHIFT, skip, plan.limit, show)))
}

async function costs(...[results, , { rivals }]: Parameters<Part>): Promise<void> {
  results.instantiation = measureInstantiation()
  results.instructions = await countInstructions(builtOf(rivals, results))
}

function builtOf(rivals: Rival[], { allocators }: Results): Rival[] {
  return rivals.filter(({ id }) => allocators.some((allocator) => allocator.id === id))
}

async function sizes(...[results, , { rivals }, show]: Parameters<Part>): Promise<void> {
  const built = builtOf(rivals, results)
  for (const [i, rival] of built.entries()) {
    show(rival.title, i / built.length)
    try {
      results.sizes.push(...(await sizesOf(rival)))
    } catch (error) {
      results.missing.push({ what: `code size of ${rival.title}`, why: (error as Error).message })
    }
  }
}

async function native(...[results, contestants, plan, show, save]: Parameters<Part>): Promise<void> {
  const ours = contestants.find(({ id }) => id === 'granary')
  const repetitions = Math.ceil(plan.repetitions / 2)
  await measureNative(replayed(plan, results), ours, repetitions, plan.limit, show, (rows) => {
    results.native.push(...rows)
    save()
  })
}

async function boundary(...[results, , , show]: Parameters<Part>): Promise<void> {
  const found = measureBoundary(BOUNDARY_SECONDS, (what) => show(what, 0.5))
  results.boundary = found.boundary
  results.missing.push(...found.missing)
}

async function otherEngines(...[results, contestants, plan, show, save]: Parameters<Part>): Promise<void> {
  const workloads = replayed(plan, results).filter(({ id }) => ENGINE_WORKLOADS.includes(id))
  if (!workloads.length) return
  const { limit } = plan
  const among = (ids: string[]) => contestants.filter(({ id }) => ids.includes(id))
  const share = { workloads, contestants: among(ENGINE_RIVALS), repetitions: Math.ceil(plan.repetitions / 2), limit }
  const thorough = {
    workloads: replayed(plan, results).filter(({ id, kind }) => kind !== 'synthetic' || ENGINE_WORKLOADS.includes(id)),
    contestants: among(THOROUGH_RIVALS),
    repetitions: Math.min(plan.repetitions, THOROUGH_REPETITIONS),
    limit,
  }
  for (const { workload, allocator, fault, cold, warm } of results.replays)
    if (workloads.some(({ id }) => id === workload) && ENGINE_RIVALS.includes(allocator))
      results.engines.push({ engine: nodeTitle(process.versions), workload, allocator, fault, cold, warm })
  for (const [i, engine] of engines.entries())
    try {
      const title = engine.title()
      const found = await engine.run(engine.thorough ? thorough : share, (step) =>
        show(`${title}: ${step}`, i / engines.length),
      )
      results.engines.push(...found.map((result) => ({ ...result, engine: title })))
      save()
    } catch (error) {
      results.missing.push({ what: `engine: ${engine.name}`, why: (error as Error).message })
    }
}
