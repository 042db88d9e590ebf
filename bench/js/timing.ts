// Times what allocates for JavaScript, each case of each allocator in a process of its own.
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { root } from '../../scripts/run.mjs'

const worker = path.join(root, 'bench/js/worker.ts')

/** Nanoseconds that a block takes, its malloc and its free. */
export interface Timing {
  /** Of Benchmark's samples. */
  least: number
  mean: number
  /** Relative margin of error of the mean, as benchmark.js has it, in percent. */
  margin: number
}

/** Runs a case (cases.ts) for about so many seconds; `glue` is Emscripten's JavaScript, for its allocator. */
export function timeCase(title: string, allocator: string, seconds: number, glue?: string): Timing {
  const args = [...process.execArgv, worker, title, allocator, String(seconds), ...(glue ? [glue] : [])]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}
