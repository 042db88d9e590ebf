// Makes sure that every module is compiled by the optimising tier before its first call.
import { spawnSync } from 'node:child_process'

/** What is timed runs under these. --expose-gc: the memories of finished replays are given back before the next starts. */
export const ENGINE_FLAGS = ['--no-liftoff', '--no-wasm-lazy-compilation', '--expose-gc']

/** Starts this program again under the engine flags, unless it already runs under them. To be called first: newer
 *  engines do not take the flags at run time. */
export function useEngineFlags(): void {
  if (ENGINE_FLAGS.every((flag) => process.execArgv.includes(flag))) return
  const args = [...ENGINE_FLAGS, ...process.execArgv, ...process.argv.slice(1)]
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' })
  process.exit(status ?? 1)
}

/** CPU time of this process so far, in nanoseconds. */
export function cpuTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

/** Frees the memories of instances that are no longer in use. */
export function collectGarbage(): void {
  globalThis.gc?.()
}
