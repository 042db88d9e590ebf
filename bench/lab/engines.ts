// The same replay in other engines: the newest V8, SpiderMonkey's shell, the current Firefox, wasmtime.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../../scripts/run.mjs'
import { inFolder } from '../cache.ts'
import { type EnginePlan, jobOf, type Replayed, scoreOf, toReplayed, turnsScript } from './engineParts.ts'
import { firefox, runFirefox } from './firefox.ts'
import { runTasks } from './runner.ts'
import type { Task } from './tasks.ts'
import { labFolder, newestNode, outputOf, python } from './tools.ts'

interface Engine {
  name: string
  /** It replays every real program, in more rivals. */
  thorough?: boolean
  /** With its version. */
  title(): string
  run(plan: EnginePlan, progress: (step: string) => void): Promise<Replayed[]>
}

export const nodeTitle = ({ node, v8 }: { node: string; v8: string }) => `Node ${node} (V8 ${v8})`

/** All but the one that runs the lab. */
export const engines: Engine[] = [
  {
    name: 'newest Node',
    thorough: true,
    title: () => {
      return nodeTitle(JSON.parse(outputOf(newestNode, ['-p', 'JSON.stringify(process.versions)'])))
    },
    run: runNewestNode,
  },
  { name: 'Firefox', title: () => outputOf(firefox, ['--version']).replace('Mozilla ', ''), run: runFirefox },
  {
    name: 'SpiderMonkey',
    title: () => `SpiderMonkey shell ${outputOf('js102', ['--version']).replace(/^JavaScript-C/, '')}`,
    run: runSpiderMonkey,
  },
  {
    name: 'wasmtime',
    title: () => outputOf(python, ['-c', 'import importlib.metadata as m; print("wasmtime", m.version("wasmtime"))']),
    run: runWasmtime,
  },
]

async function runNewestNode(plan: EnginePlan, progress: (step: string) => void): Promise<Replayed[]> {
  const { workloads, contestants, repetitions, limit } = plan
  const tasks = workloads.map(
    (workload): Task => ({ kind: 'replay', workload, repetitions, check: false, residue: false }),
  )
  const results: Replayed[] = []
  await runTasks(tasks, contestants, {
    node: newestNode,
    limit,
    progress: (task, step) => progress(`${workloads[task].id}: ${step}`),
    done(task, reports) {
      for (const { id: allocator } of contestants) {
        const result: Replayed = { workload: workloads[task].id, allocator, cold: [], warm: [] }
        for (const report of reports) {
          if (!('contestant' in report) || report.contestant !== allocator) continue
          if ('fault' in report) result.fault = report.fault
          if (!('cold' in report)) continue
          result.cold.push(report.cold)
          result.warm.push(report.warm)
        }
        results.push(result)
      }
    },
  })
  return results
}

/** Replays with a command that takes a job as its last argument and prints the turns. */
function replayBy(command: string, args: string[], plan: EnginePlan, progress: (step: string) => void): Replayed[] {
  return plan.workloads.flatMap((workload) => {
    progress(workload.id)
    const printed = outputOf(command, [...args, JSON.stringify(jobOf(workload, plan))])
    return toReplayed(workload, JSON.parse(printed))
  })
}

async function runSpiderMonkey(plan: EnginePlan, progress: (step: string) => void): Promise<Replayed[]> {
  const script = `${turnsScript()}${scoreOf}
const { file, largest, modules, repetitions, most } = JSON.parse(scriptArgs[0])
const read = (name) => os.file.readFile(name, 'binary')
const compiled = modules.map(({ name, file }) => ({ name, module: new WebAssembly.Module(read(file)) }))
const score = scoreOf(read(file).buffer, largest)
print(JSON.stringify(turns.playInTurns(compiled, score, repetitions, () => dateNow() * 1e6, most)))
`
  return inFolder(labFolder, (folder) => {
    const file = path.join(folder, 'replay.js')
    writeFileSync(file, script)
    return replayBy('js102', ['--wasm-compiler=optimized', file], plan, progress)
  })
}

async function runWasmtime(plan: EnginePlan, progress: (step: string) => void): Promise<Replayed[]> {
  return replayBy(python, [path.join(root, 'bench/lab/wasmtime_replay.py')], plan, progress)
}
