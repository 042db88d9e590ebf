// The same replay in other engines: the newest V8, SpiderMonkey's shell, the current Firefox, wasmtime.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buildSync } from 'esbuild'
import { root } from '../../scripts/run.mjs'
import { inFolder } from '../cache.ts'
import type { EngineResult } from './results.ts'
import { runTasks } from './runner.ts'
import type { Contestant, Task } from './tasks.ts'
import { labFolder, newestNode, outputOf, python } from './tools.ts'
import type { Turns } from './turns.ts'
import { traceFile, type Workload } from './workloads.ts'

interface Plan {
  workloads: Workload[]
  contestants: Contestant[]
  repetitions: number
  /** Seconds that one replay may take. */
  limit: number
}

/** What an engine finds; its title is added. */
type Replayed = Omit<EngineResult, 'engine'>

interface Engine {
  name: string
  /** It replays every real program, in more rivals. */
  thorough?: boolean
  /** With its version. */
  title(): string
  run(plan: Plan, progress: (step: string) => void): Promise<Replayed[]>
}

const firefox = '/usr/lib/firefox-esr/firefox-esr'

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

async function runNewestNode(plan: Plan, progress: (step: string) => void): Promise<Replayed[]> {
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

/** turns.ts as a plain script, which declares `turns`. */
function turnsScript(): string {
  const entryPoints = [path.join(root, 'bench/lab/turns.ts')]
  const options = { bundle: true, write: false, format: 'iife', globalName: 'turns', target: 'es2022' } as const
  return buildSync({ entryPoints, ...options }).outputFiles[0].text
}

const scoreOf = `
function scoreOf(buffer, largest) {
  const words = new Uint32Array(buffer)
  return { words: words.subarray(8), operations: words[2], slots: words[3], peak: words[4], largest }
}
`

/** What a script is to replay. */
function jobOf(workload: Workload, { contestants, repetitions, limit }: Plan) {
  const { file, trace } = traceFile(workload)
  const modules = contestants.map(({ id, file }) => ({ name: id, file }))
  return { file, largest: trace.largest, modules, repetitions, most: limit * 1e9 }
}

function collect({ id }: Workload, turns: Turns[]): Replayed[] {
  return turns.map(({ name, fault, cold, warm }) => ({ workload: id, allocator: name, fault, cold, warm }))
}

/** Replays with a command that takes a job as its last argument and prints the turns. */
function replayBy(command: string, args: string[], plan: Plan, progress: (step: string) => void): Replayed[] {
  return plan.workloads.flatMap((workload) => {
    progress(workload.id)
    const printed = outputOf(command, [...args, JSON.stringify(jobOf(workload, plan))])
    return collect(workload, JSON.parse(printed))
  })
}

async function runSpiderMonkey(plan: Plan, progress: (step: string) => void): Promise<Replayed[]> {
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

async function runWasmtime(plan: Plan, progress: (step: string) => void): Promise<Replayed[]> {
  return replayBy(python, [path.join(root, 'bench/lab/wasmtime_replay.py')], plan, progress)
}

/** Serves a page that replays, opens it in a Firefox without a window, and waits for the page to send its figures. */
async function runFirefox(plan: Plan, progress: (step: string) => void): Promise<Replayed[]> {
  const profile = mkdtempSync(path.join(tmpdir(), 'granary-firefox-'))
  const preferences = {
    'privacy.reduceTimerPrecision': false,
    'javascript.options.wasm_baselinejit': false,
    'browser.shell.checkDefaultBrowser': false,
    'datareporting.policy.dataSubmissionEnabled': false,
    'app.update.enabled': false,
    'dom.max_script_run_time': 0,
  }
  const lines = Object.entries(preferences).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${value});\n`)
  writeFileSync(path.join(profile, 'user.js'), lines.join(''))
  const jobs = plan.workloads.map((workload) => ({ workload, ...jobOf(workload, plan) }))
  const results: Replayed[] = []
  const page = `<script type="module">${turnsScript()}${scoreOf}
const fetched = async (name) => (await fetch('/file?' + encodeURIComponent(name))).arrayBuffer()
const clock = () => performance.now() * 1e6
for (const { file, largest, modules, repetitions, most } of await (await fetch('/jobs')).json()) {
  const compiled = []
  for (const { name, file } of modules) compiled.push({ name, module: await WebAssembly.compile(await fetched(file)) })
  const played = turns.playInTurns(compiled, scoreOf(await fetched(file), largest), repetitions, clock, most)
  await fetch('/turns', { method: 'POST', body: JSON.stringify(played) })
}
</script>`
  let browser: ReturnType<typeof spawn> | undefined
  let closed: Promise<unknown> | undefined
  const server = createServer()
  let timer: NodeJS.Timeout | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      let index = 0
      const wait = () => {
        clearTimeout(timer)
        timer = setTimeout(() => reject(new Error('Firefox does not answer')), 60_000 + 10_000 * plan.limit)
      }
      wait()
      server.on('request', async (request, response) => {
        const url = request.url ?? ''
        if (url === '/jobs') response.end(JSON.stringify(jobs))
        else if (url.startsWith('/file?')) response.end(served(decodeURIComponent(url.slice(6))))
        else if (url === '/turns') {
          let body = ''
          for await (const part of request) body += part
          results.push(...collect(jobs[index++].workload, JSON.parse(body)))
          response.end()
          wait()
          if (index < jobs.length) progress(jobs[index].workload.id)
          else resolve()
        } else if (url === '/') response.setHeader('content-type', 'text/html').end(page)
        else response.writeHead(404).end()
      })
      const served = (name: string) => {
        const known = jobs.some(({ file, modules }) => file === name || modules.some((module) => module.file === name))
        return known ? readFileSync(name) : Buffer.alloc(0)
      }
      server.listen(0, '127.0.0.1', () => {
        progress(jobs[0].workload.id)
        const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
        browser = spawn(firefox, ['--headless', '--no-remote', '--profile', profile, address], {
          stdio: 'ignore',
          env: { ...process.env, HOME: profile },
        })
        browser.on('error', reject)
        closed = new Promise((ended) => browser?.on('close', ended))
      })
    })
    return results
  } finally {
    clearTimeout(timer)
    server.close()
    server.closeAllConnections()
    browser?.kill()
    await closed
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}
