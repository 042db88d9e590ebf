// What the engines share that replay by a script.
import path from 'node:path'
import { buildSync } from 'esbuild'
import { root } from '../../scripts/run.mjs'
import { SHORTEST_RING } from '../replay/player.ts'
import type { EngineResult } from './results.ts'
import type { Contestant } from './tasks.ts'
import type { Turns } from './turns.ts'
import { traceFile, type Workload } from './workloads.ts'

export interface EnginePlan {
  workloads: Workload[]
  contestants: Contestant[]
  repetitions: number
  /** Seconds that one replay may take. */
  limit: number
}

/** What an engine finds; its title is added. */
export type Replayed = Omit<EngineResult, 'engine'>

/** turns.ts as a plain script, which declares `turns`. */
export function turnsScript(): string {
  const entryPoints = [path.join(root, 'bench/lab/turns.ts')]
  const options = { bundle: true, write: false, format: 'iife', globalName: 'turns', target: 'es2022' } as const
  return buildSync({ entryPoints, ...options }).outputFiles[0].text
}

/** A function of the scripts: what a player needs of an MTRC file. */
export const scoreOf = `
function scoreOf(buffer, largest) {
  const words = new Uint32Array(buffer)
  return { words: words.subarray(8), operations: words[2], slots: words[3], peak: words[4], largest }
}
`

/** What a script is to replay. */
export function jobOf(workload: Workload, { contestants, repetitions, limit }: EnginePlan) {
  const { file, trace } = traceFile(workload)
  const modules = contestants.map(({ id, file }) => ({ name: id, file }))
  return { file, largest: trace.largest, ring: SHORTEST_RING, modules, repetitions, most: limit * 1e9 }
}

export function toReplayed({ id }: Workload, turns: Turns[]): Replayed[] {
  return turns.map(({ name, fault, cold, warm }) => ({ workload: id, allocator: name, fault, cold, warm }))
}
