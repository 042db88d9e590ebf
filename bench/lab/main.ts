// npm run bench: measures every allocator side by side, prints the ratios and writes JSON, of which `report` makes docs/benchmarks.md.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { UsageError } from '../../cli/commandLine.ts'
import { root } from '../../scripts/run.mjs'
import { put } from '../cache.ts'
import { Progress } from '../progress.ts'
import { outputPath } from '../userPath.ts'
import { parseCommand, type Request, usage } from './arguments.ts'
import { comparison } from './compare.ts'
import { report } from './report.ts'
import { RESULTS_START, type Results } from './results.ts'
import type { Rival } from './rivals.ts'
import { ratioTables } from './tables.ts'
import { labFolder, outputOf } from './tools.ts'

try {
  const command = parseCommand(process.argv.slice(2))
  if (command.name === 'help') console.log(usage)
  else if (command.name === 'compare') console.log(comparison(command.before, command.after))
  else if (command.name === 'report') writeReport(command.results)
  else await bench(command.request)
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(`${error.message}\nSee npm run bench -- --help`)
  process.exitCode = 1
}

function writeReport(results: Results): void {
  const { markdown, pictures } = report(results, 'benchmarks')
  put(path.join(root, 'docs/benchmarks.md'), markdown)
  for (const [name, svg] of Object.entries(pictures)) put(path.join(root, 'docs/benchmarks', name), svg)
  console.log('docs/benchmarks.md is written')
}

async function bench({ mode, rivals, asked, workloads, repetitions, json }: Request): Promise<void> {
  const usual = path.join(labFolder, `results/${mode}-${Date.now()}.json`)
  const file = outputPath('--json', json ?? usual, 'result', RESULTS_START)
  // What is measured, the module and the host's class, is built from the sources as they are now.
  if (rivals.some(({ source }) => source === 'this repository'))
    outputOf(process.execPath, [path.join(root, 'scripts/build.mjs')])
  const { measure } = await import('./measure.ts') // it takes seconds to load, for nothing where something else was asked
  const results = await measure(
    { mode, rivals, workloads, repetitions, limit: 3 },
    new Progress(process.stderr),
    (results) => writeFileSync(file, JSON.stringify(results)),
  )
  console.log(ratioTables(results))
  for (const { what, why } of results.missing) console.log(`missing: ${what}: ${why}`)
  console.log(`results: ${path.relative('', file)}`)
  // That a rival cannot be had on some machine is no fault, unless it was asked for.
  const excused = rivals.filter((rival) => !asked.includes(rival)).map(({ title }) => title)
  const lacks = results.missing.some(({ what }) => !excused.includes(what))
  const replayed = ({ id }: Rival) => results.replays.some(({ allocator, fault }) => allocator === id && !fault)
  if (lacks || !asked.every(replayed)) process.exitCode = 1
}
