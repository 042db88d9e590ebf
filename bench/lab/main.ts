// npm run bench: measures every allocator side by side, prints the ratios, writes JSON and the report. See docs/benchmarks.md.
import { readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { prepare } from './contestants.ts'
import { Progress } from './progress.ts'
import type { ReplayResult, Results } from './results.ts'
import { labFolder, put, type Rival, rivals } from './rivals.ts'
import { ENGINE_FLAGS, runTasks } from './runner.ts'
import { ratioTables } from './tables.ts'
import type { Task } from './worker.ts'
import { aboutWorkload, allWorkloads, type Workload } from './workloads.ts'

const usage = `npm run bench -- [--quick] [options] [NAME=FILE.wasm …]     measures
npm run bench -- compare BEFORE.json AFTER.json              tells what a change did
npm run bench -- report RESULTS.json                         writes docs/benchmarks.md

  --quick            the daily run: the rivals that matter most, few repetitions
  --only PATTERN     only workloads whose name matches
  --rivals LIST      only these, by their id, separated by commas
  --reps N           repetitions
  --traces FOLDER    the traces of this folder, too
  --json FILE        where the results go

A module named on the command line competes, too: it imports env.memory and env.__heap_base, as build/granary.wasm does.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    rivals: { type: 'string' },
    reps: { type: 'string' },
    traces: { type: 'string', multiple: true, default: [] },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) console.log(usage)
else await bench()

async function bench(): Promise<void> {
  const progress = new Progress()
  const candidates = positionals.map(candidate)
  const wanted = values.rivals?.split(',')
  const given = candidates.map(({ id }) => id)
  const chosen = rivals.filter(
    ({ id, quick }) => !given.includes(id) && (wanted?.includes(id) ?? (!values.quick || quick)),
  )
  const field = await prepare([...candidates, ...chosen], (title) => progress.show(`building ${title}`))
  const pattern = new RegExp(values.only)
  const workloads = allWorkloads(values.traces).filter(({ id }) => pattern.test(id))
  const repetitions = Number(values.reps ?? (values.quick ? 3 : 11))
  const tasks = workloads.map(
    (workload): Task => ({ kind: 'replay', workload, repetitions, check: true, residue: !values.quick }),
  )
  const reports = await runTasks(tasks, field.contestants, {
    limit: values.quick ? 3 : 10,
    progress: (task, step, contestant) =>
      progress.show(`${workloads[task].id}: ${step} ${contestant}`, task / tasks.length),
  })
  progress.end()

  const results = describeRun()
  results.allocators = field.allocators
  results.missing = field.missing
  workloads.forEach((workload, task) => {
    collectReplays(results, workload, reports[task])
  })
  console.log(ratioTables(results))
  for (const { what, why } of results.missing) console.log(`${what} cannot be had: ${why}`)
  const file = values.json ?? path.join(labFolder, `results/${results.mode}-${results.date.replace(/[:.]/g, '-')}.json`)
  put(path.resolve(file), JSON.stringify(results, null, 1))
  console.log(`results: ${path.relative('', file)}`)
}

function candidate(argument: string): Rival {
  const [id, file] = argument.split('=')
  if (!file) throw new Error(usage)
  return { id, title: id, source: file, alignment: 16, version: () => '', build: () => readFileSync(file) }
}

function describeRun(): Results {
  const gigabytes = os.totalmem() / 2 ** 30
  return {
    format: 1,
    date: new Date().toISOString(),
    mode: values.quick ? 'quick' : 'full',
    machine: {
      cpu: os.cpus()[0].model.trim(),
      cores: os.cpus().length,
      memory: Math.round(gigabytes),
      system: `${os.type()} ${os.release()} ${os.arch()}`,
    },
    node: process.version,
    v8: process.versions.v8,
    engineFlags: ENGINE_FLAGS,
    tools: {},
    allocators: [],
    workloads: [],
    replays: [],
    latencies: [],
    growth: [],
    footprints: [],
    sizes: [],
    native: [],
    boundary: [],
    engines: [],
    missing: [],
  }
}

function collectReplays(
  results: Results,
  workload: Workload,
  reports: Awaited<ReturnType<typeof runTasks>>[number],
): void {
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
