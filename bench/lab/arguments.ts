// What the command line asks for, and why it cannot be had.
import { readFileSync } from 'node:fs'
import { parseCommandLine, UsageError } from '../../cli/commandLine.ts'
import { countOf } from '../counts.ts'
import { userPath } from '../userPath.ts'
import { CHANGED, isResults, type Results } from './results.ts'
import { type Rival, rivals } from './rivals.ts'
import { allWorkloads, type Workload } from './workloads.ts'

export const usage = `npm run bench -- [--quick] [options] [NAME=FILE.wasm …]     measures
npm run bench -- compare BEFORE.json AFTER.json              tells what a change did
npm run bench -- report RESULTS.json                         writes docs/benchmarks.md

  --quick            the daily run: the rivals that matter most, few repetitions
  --only PATTERN     only workloads whose name matches
  --rivals LIST      only these, by their id, separated by commas
  --reps N           repetitions
  --traces FOLDER    the traces of this folder, too
  --json FILE        where the results go

A module named on the command line competes, too: it imports nothing but env.memory and env.__heap_base, as build/granary.wasm does.`

export interface Request {
  mode: 'quick' | 'full'
  rivals: Rival[]
  /** Those of the rivals that were named: the command fails if one of them replays no workload. */
  asked: Rival[]
  workloads: Workload[]
  repetitions: number
  json?: string
}

export type Command =
  | { name: 'help' }
  | { name: 'compare'; before: Results; after: Results }
  | { name: 'report'; results: Results }
  | { name: 'measure'; request: Request }

export function parseCommand(args: string[]): Command {
  const { values, positionals } = parsed(args)
  const [command, ...files] = positionals
  if (values.help) return { name: 'help' }
  if (command === 'compare') {
    if (files.length !== 2) throw new UsageError(`compare wants two files`)
    return { name: command, before: readResults(files[0]), after: readResults(files[1]) }
  }
  if (command === 'report') {
    if (files.length !== 1) throw new UsageError(`report wants one file`)
    return { name: command, results: reportable(readResults(files[0])) }
  }
  const mode = values.quick ? 'quick' : 'full'
  const candidates = positionals.map(candidate)
  const wanted = values.rivals?.split(',').map(rivalCalled)
  const asked = [...candidates, ...(wanted ?? [])]
  const names = ['floor', ...asked.map(({ id }) => id)]
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice) throw new UsageError(`two allocators are called ${twice}`)
  const usual = rivals.filter(({ id, quick }) => (mode === 'full' || quick) && !names.includes(id))
  return {
    name: 'measure',
    request: {
      mode,
      rivals: wanted ? asked : [...candidates, ...usual],
      asked,
      workloads: matching(values.only, values.traces.map(userPath)),
      repetitions: countOf('--reps', values.reps ?? (mode === 'quick' ? '3' : '11')),
      json: values.json,
    },
  }
}

function parsed(args: string[]) {
  return parseCommandLine({
    args,
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      rivals: { type: 'string' },
      reps: { type: 'string' },
      traces: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
}

/** A module given on the command line as NAME=FILE. The name becomes part of files' names. */
function candidate(argument: string): Rival {
  const [, id, file] = argument.match(/^(\w[\w.-]*)=(.+)$/) ?? []
  if (!file)
    throw new UsageError(
      `${argument} is neither a command nor NAME=FILE.wasm with a name of letters, digits, _, . and -`,
    )
  const wasm = attempt(`${id}: `, () => readFileSync(userPath(file)))
  if (!WebAssembly.validate(wasm)) throw new UsageError(`${id}: ${file} is no WebAssembly module`)
  return { id, title: id, source: file, alignment: 16, version: () => '', build: () => wasm }
}

function rivalCalled(id: string): Rival {
  const rival = rivals.find((known) => known.id === id)
  if (!rival)
    throw new UsageError(`no allocator is called '${id}'; there are ${rivals.map((known) => known.id).join(', ')}`)
  return rival
}

function matching(pattern: string, folders: string[]): Workload[] {
  const wanted = attempt('--only: ', () => new RegExp(pattern))
  const found = attempt('', () => allWorkloads(folders)).filter(({ id }) => wanted.test(id))
  if (!found.length) throw new UsageError(`no workload’s name matches ${pattern}`)
  return found
}

function readResults(file: string): Results {
  const results: unknown = attempt(`${file}: `, () => JSON.parse(readFileSync(userPath(file), 'utf8')))
  if (!isResults(results)) throw new UsageError(`${file} is not a run of this lab as it is now`)
  return results
}

/** Does what fails if the user gave a wrong pattern, file or folder: the error becomes a UsageError. */
function attempt<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new UsageError(what + (error as Error).message)
  }
}

/** The results, if the page may be made from them: a full run, finished, with times, and of committed sources. */
export function reportable(results: Results): Results {
  if (results.mode !== 'full')
    throw new UsageError(`the page is made from a full run, and this is a ${results.mode} one`)
  if (results.unfinished) throw new UsageError(`this run was interrupted in its part “${results.unfinished}”`)
  const { commit } = results.tools
  if (commit?.endsWith(CHANGED))
    throw new UsageError(`the page is made from a run of what is committed, and this is one of ${commit}`)
  if (!results.replays.some(({ warm }) => warm.length)) throw new UsageError('this run has no times')
  return results
}
