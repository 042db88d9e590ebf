// What the command line asks for, and why it cannot be had.
import { readFileSync } from 'node:fs'
import { parseCommandLine } from '../../cli/commandLine.ts'
import { userPath } from '../userPath.ts'
import { CHANGED, FORMAT, type Results } from './results.ts'
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

A module named on the command line competes, too: it imports env.memory and env.__heap_base, as build/granary.wasm does.`

/** Something is wrong with what was asked, not with the lab. */
export class Refused extends Error {}

export interface Request {
  mode: 'quick' | 'full'
  rivals: Rival[]
  /** Those of the rivals that were named, without which the run is not what was asked for. */
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
    if (files.length !== 2) throw new Refused(`compare wants two files\n\n${usage}`)
    return { name: command, before: readResults(files[0]), after: readResults(files[1]) }
  }
  if (command === 'report') {
    if (files.length !== 1) throw new Refused(`report wants one file\n\n${usage}`)
    return { name: command, results: reportable(readResults(files[0])) }
  }
  const mode = values.quick ? 'quick' : 'full'
  const candidates = positionals.map(candidate)
  const wanted = values.rivals?.split(',').map(rivalCalled)
  const chosen = (wanted ?? rivals.filter(({ quick }) => mode === 'full' || quick)).filter(
    ({ id }) => !candidates.some((candidate) => candidate.id === id),
  )
  return {
    name: 'measure',
    request: {
      mode,
      rivals: [...candidates, ...chosen],
      asked: [...candidates, ...(wanted ?? [])],
      workloads: matching(values.only, values.traces.map(userPath)),
      repetitions: repetitionsOf(values.reps ?? (mode === 'quick' ? '3' : '11')),
      json: values.json === undefined ? undefined : userPath(values.json),
    },
  }
}

function parsed(args: string[]) {
  try {
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
  } catch (error) {
    throw new Refused(`${(error as Error).message}\n\n${usage}`)
  }
}

/** A module given on the command line as NAME=FILE. */
function candidate(argument: string): Rival {
  const [id, file] = argument.split('=')
  if (!file) throw new Refused(`${argument} is neither a command nor NAME=FILE.wasm\n\n${usage}`)
  const wasm = attempt(`${id}: `, () => readFileSync(userPath(file)))
  if (!WebAssembly.validate(wasm)) throw new Refused(`${id}: ${file} is no WebAssembly module`)
  return { id, title: id, source: file, alignment: 16, version: () => '', build: () => wasm }
}

function rivalCalled(id: string): Rival {
  const rival = rivals.find((known) => known.id === id)
  if (!rival) throw new Refused(`no allocator is called ${id}; there are ${rivals.map((known) => known.id).join(', ')}`)
  return rival
}

function repetitionsOf(text: string): number {
  const repetitions = Number(text)
  if (!Number.isInteger(repetitions) || repetitions < 1)
    throw new Refused(`--reps wants a number from 1 on, not ${text}`)
  return repetitions
}

function matching(pattern: string, folders: string[]): Workload[] {
  const found = attempt('', () => allWorkloads(folders)).filter(({ id }) =>
    attempt('--only: ', () => new RegExp(pattern)).test(id),
  )
  if (!found.length) throw new Refused(`no workload is called like ${pattern}`)
  return found
}

function readResults(file: string): Results {
  const results: Results = attempt(`${file}: `, () => JSON.parse(readFileSync(userPath(file), 'utf8')))
  if (results?.format !== FORMAT) throw new Refused(`${file} is not a run of this lab as it is now`)
  return results
}

/** What can be asked for wrongly: a pattern, a file, a folder. */
function attempt<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new Refused(what + (error as Error).message)
  }
}

/** The page is written from nothing but a whole run of what a commit has. */
export function reportable(results: Results): Results {
  if (results.mode !== 'full') throw new Refused(`the page is made from a full run, and this is a ${results.mode} one`)
  if (results.unfinished) throw new Refused(`this run was interrupted in its part “${results.unfinished}”`)
  const { commit } = results.tools
  if (commit?.endsWith(CHANGED))
    throw new Refused(`the page is made from a run of what is committed, and this is one of ${commit}`)
  if (!results.replays.some(({ warm }) => warm.length)) throw new Refused('this run has no times')
  return results
}
