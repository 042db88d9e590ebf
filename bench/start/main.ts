// npm start: replays traces in granary and in AssemblyScript's TLSF runtime, verifies every byte, and reports.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseCommandLine, UsageError } from '../../cli/commandLine.ts'
import { root, run } from '../../scripts/run.mjs'
import { countOf } from '../counts.ts'
import { processor, system } from '../machine.ts'
import { Progress } from '../progress.ts'
import { useEngineFlags } from '../replay/engine.ts'
import { inspect } from '../replay/inspect.ts'
import { type Contestant, contestant, floorModule, isTimed, measure, repetitionsOf } from '../replay/measure.ts'
import { tlsfAllocator } from '../replay/merge.ts'
import { assertReplayable, ReplayError } from '../replay/replay.ts'
import { type Trace, TraceError } from '../trace.ts'
import { bundledNames, bundledTrace, nameOf, readTrace } from '../traces/bundled.ts'
import { outputPath, userPath } from '../userPath.ts'
import { formatReport, INTERVALS, MAP_CELLS } from './report.ts'
import { formatLeast, type Machine, memoryOverLive, type Outcome, type Result, ratios } from './result.ts'
import { formatRun } from './table.ts'

const DEFAULT_REPORT = 'build/report.html'
const PAGE_START = '<!doctype html>'

const DEFAULT_TRACES = [
  'assemblyscript-wasm32',
  'cpp-stl-wasm32',
  'git-log-patch',
  'imaging-wasm32',
  'lua-strings-wasm32',
  'sqlite-wasm32',
]
const DEFAULT_REPETITIONS = 9

const help = `npm start -- [options] [trace files]

Replays the allocations of real programs inside WebAssembly, in granary and in AssemblyScript's TLSF runtime, verifies
every byte of every block, and compares speed and memory. Writes a page with plots.

  FILE …             replay these (MTRC as in docs/traces.md, gzip or not, or *.trace.br) instead of the bundled traces
  --all              all bundled traces
  --only NAME[,…]    some bundled traces
  --reps N           how often each replay is timed (${DEFAULT_REPETITIONS})
  --report FILE      where to write the page (${DEFAULT_REPORT})
  --help             this text

Bundled traces (* by default):
${bundledNames()
  .map((name) => `${DEFAULT_TRACES.includes(name) ? '*' : ' '} ${name}`)
  .join('\n')}`

function chosenOptions() {
  const { values, positionals } = parseCommandLine({
    allowPositionals: true,
    options: {
      all: { type: 'boolean' },
      only: { type: 'string' },
      reps: { type: 'string', default: String(DEFAULT_REPETITIONS) },
      report: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  return { ...values, files: positionals }
}

function chosenTraces({ all, only, files }: { all?: boolean; only?: string; files: string[] }): Trace[] {
  if (all && only !== undefined) throw new UsageError('--all and --only exclude each other')
  const known = bundledNames()
  const names = only?.split(',') ?? (all ? known : files.length ? [] : DEFAULT_TRACES)
  for (const name of names)
    if (!known.includes(name))
      throw new UsageError(`--only: no trace is called '${name}'; there are ${known.join(', ')}`)
  for (const file of files)
    if (known.includes(file) && !existsSync(userPath(file)))
      throw new UsageError(`there is no file ${file}: the bundled trace is --only ${file}`)
  const traces = [
    ...[...new Set(files)].map((file) => readTrace(userPath(file), printable(file))),
    ...[...new Set(names)].map(bundledTrace),
  ]
  traces.forEach(assertReplayable)
  return traces.map((trace) => ({ ...trace, name: shortName(trace, traces) }))
}

/** As it may go to a terminal, which obeys control characters. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?')
}

/** A trace's name without path and ending, unless another has the same. */
function shortName({ name }: Trace, all: Trace[]): string {
  const short = nameOf(name)
  return all.filter((trace) => nameOf(trace.name) === short).length === 1 ? short : name
}

function replayInBoth(
  trace: Trace,
  floor: WebAssembly.Module,
  both: Contestant[],
  repetitions: number,
  step: (what: string) => void,
): Result {
  const inspections = both.map((one) => {
    step(`${trace.name}: verifying every byte in ${one.name}`)
    try {
      return inspect(one, trace, INTERVALS, Math.max(Math.ceil(trace.peak / MAP_CELLS), 16))
    } catch (error) {
      return error as Error
    }
  })
  const measurements = measure(trace, floor, both, repetitions, (repetition) =>
    step(`${trace.name}: repetition ${repetition + 1} of ${repetitions}`),
  )
  const [granary, rival] = both.map((_, i): Outcome | Error => {
    const inspection = inspections[i]
    const measurement = measurements[i]
    if (inspection instanceof Error) return inspection
    return measurement instanceof Error ? measurement : { inspection, measurement }
  })
  return { trace, granary, rival }
}

/** One line for the terminal. */
function summary(result: Result, rival: string): string {
  const { trace, granary } = result
  if (granary instanceof Error) return `${trace.name}: granary FAILED: ${granary.message}`
  const verified = `${trace.name}: every byte verified`
  const ratio = ratios(result)
  if (!ratio) return `${verified}; ${rival} failed: ${(result.rival as Error).message}`
  const ofRival = ratio.warm === undefined ? '' : ` (${ratio.warm.toFixed(2)} of ${rival})`
  const warm = isTimed(trace)
    ? `${formatLeast(granary.measurement.warm)} ns an operation${ofRival}`
    : 'too short to be timed'
  const memory = `memory ${memoryOverLive(trace, granary).toFixed(2)} of live (${ratio.memory.toFixed(2)} of ${rival})`
  return `${verified}; ${warm}; ${memory}`
}

function machine(): Machine {
  return {
    processor: processor(),
    cores: os.availableParallelism(),
    memory: os.totalmem(),
    system: system(),
    engine: `Node ${process.versions.node}, V8 ${process.versions.v8}`,
    flags: process.execArgv.filter((flag) => flag.startsWith('--no-')),
  }
}

function main() {
  const options = chosenOptions()
  if (options.help) return console.log(help)
  const repetitions = countOf('--reps', options.reps)
  const traces = chosenTraces(options)

  const reportFile = outputPath('--report', options.report ?? path.join(root, DEFAULT_REPORT), 'page', PAGE_START)
  run(process.execPath, ['scripts/build.mjs'])

  const here = machine()
  console.log(`${here.engine}, ${here.flags.join(' ')}; ${here.processor}, ${here.cores} cores\n`)
  const progress = new Progress(process.stdout)
  const steps = traces.reduce((sum, trace) => sum + 2 + repetitionsOf(trace, repetitions), 1)
  let begun = 0
  const step = (what: string) => progress.show(what, begun++ / steps)
  step('compiling the allocators')
  const wasm = readFileSync(path.join(root, 'build/granary.wasm'))
  const granary = contestant({ name: 'granary', wasm }, 16)
  const rival = contestant({ ...tlsfAllocator(), name: 'TLSF' }, 16)
  const floor = floorModule()

  const results = traces.map((trace) => {
    const result = replayInBoth(trace, floor, [granary, rival], repetitionsOf(trace, repetitions), step)
    progress.finish(summary(result, rival.name))
    return result
  })

  const done = { results, rival: rival.name, repetitions, machine: here, date: new Date(), moduleBytes: wasm.length }
  console.log(`\n${formatRun(done, process.stdout.columns)}\n`)
  writeFileSync(reportFile, formatReport(done))
  console.log(`With plots: ${pathToFileURL(reportFile)}`)
  if (results.some((result) => result.granary instanceof Error)) process.exitCode = 1
}

useEngineFlags()
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit() // who reads has seen enough
  throw error
})
try {
  main()
} catch (error) {
  if (!(error instanceof UsageError || error instanceof TraceError || error instanceof ReplayError)) throw error
  console.error(printable(error.message))
  if (error instanceof UsageError) console.error('See npm start -- --help')
  process.exitCode = 1
}
