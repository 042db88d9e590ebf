// npm run bench: measures every allocator side by side, prints the ratios, writes JSON and the report. See docs/benchmarks.md.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { comparison } from './compare.ts'
import { measure } from './measure.ts'
import { Progress } from './progress.ts'
import { report } from './report.ts'
import type { Results } from './results.ts'
import { labFolder, put, type Rival, rivals, root } from './rivals.ts'
import { ratioTables } from './tables.ts'
import { allWorkloads } from './workloads.ts'

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

const [command, ...files] = positionals
if (values.help) console.log(usage)
else if (command === 'compare' && files.length === 2) console.log(comparison(read(files[0]), read(files[1])))
else if (command === 'report' && files.length === 1) writeReport(read(files[0]))
else await bench()

function read(file: string): Results {
  const results: Results = JSON.parse(readFileSync(file, 'utf8'))
  if (results.format !== 1) throw new Error(`${file} is not a run of this lab`)
  return results
}

function writeReport(results: Results): void {
  const { markdown, pictures } = report(results, 'benchmarks')
  put(path.join(root, 'docs/benchmarks.md'), markdown)
  for (const [name, svg] of Object.entries(pictures)) put(path.join(root, 'docs/benchmarks', name), svg)
  console.log('docs/benchmarks.md is written')
}

async function bench(): Promise<void> {
  const candidates = positionals.map(candidate)
  const given = candidates.map(({ id }) => id)
  const wanted = values.rivals?.split(',')
  const mode = values.quick ? 'quick' : 'full'
  const chosen = rivals.filter(
    ({ id, quick }) => !given.includes(id) && (wanted?.includes(id) ?? (mode === 'full' || quick)),
  )
  const pattern = new RegExp(values.only)
  const workloads = allWorkloads(values.traces).filter(({ id }) => pattern.test(id))
  if (!workloads.length) throw new Error(`no workload is called like ${values.only}`)
  const file = path.resolve(values.json ?? path.join(labFolder, `results/${mode}-${Date.now()}.json`))
  const results = await measure(
    {
      mode,
      rivals: [...candidates, ...chosen],
      workloads,
      repetitions: Number(values.reps ?? (mode === 'quick' ? 3 : 11)),
      limit: 3,
    },
    new Progress(),
    (results) => put(file, JSON.stringify(results)),
  )
  console.log(ratioTables(results))
  for (const { what, why } of results.missing) console.log(`missing: ${what}: ${why}`)
  console.log(`results: ${path.relative('', file)}`)
}

/** A module given on the command line as NAME=FILE. */
function candidate(argument: string): Rival {
  const [id, file] = argument.split('=')
  if (!file) throw new Error(usage)
  return { id, title: id, source: file, alignment: 16, version: () => '', build: () => readFileSync(file) }
}
