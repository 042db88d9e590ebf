// What the embedding tests share: named tests, commands with the tools of `npm run setup:embed`, folders to build in.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../../scripts/run.mjs'

export { root }

/** Where `npm run setup:embed` puts what npm, pip and cargo get. */
export const tools = path.join(root, 'build/tools')

export interface Test {
  name: string
  /** Throws if the test fails; if it returns a text, its line says so. */
  run: () => unknown
}

// Without the node_modules/.bin that npm puts in front: Emscripten would find npm's binaryen in place of its own.
const ownPath = (process.env.PATH ?? '').split(':').filter((folder) => !folder.includes('node_modules'))

const environment = {
  ...process.env,
  PATH: [path.join(tools, 'venv/bin'), path.join(tools, 'debian-rust'), ...ownPath].join(':'),
  NODE_NO_WARNINGS: '1',
  npm_config_loglevel: 'error',
}

/** Runs a shell script with `set -e` and returns what it printed. Throws with the end of its output if it fails. */
export function shell(script: string, folder: string): string {
  const { status, stdout, stderr } = spawnSync('bash', ['-euc', script], {
    cwd: folder,
    env: environment,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status === 0) return stdout
  const missing = /(\S+): (?:command not found|No such file or directory)/.exec(stderr)
  const hint = status === 127 && missing ? `${missing[1]} is not installed: npm run setup:embed\n` : ''
  throw new Error(`${hint}${`${stdout}${stderr}`.trim().split('\n').slice(-12).join('\n').slice(-2000)}`)
}

let published: string | undefined

/** The package's folder as npm would publish and unpack it, made once in a run. */
function packed(): string {
  if (!published) {
    const folder = path.join(root, 'build/embed-tests/npm')
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    shell(`tar -xzf "$(npm pack ${root} --ignore-scripts --silent)"`, folder)
    published = path.join(folder, 'package')
  }
  return published
}

/** An empty folder to build in, in which the package is installed as it would be from npm. */
export function workFolder(name: string): string {
  const folder = path.join(root, 'build/embed-tests', name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(path.join(folder, 'node_modules/.bin'), { recursive: true })
  writeFileSync(path.join(folder, 'package.json'), '{"type":"commonjs"}') // as npm init writes it
  symlinkSync(packed(), path.join(folder, 'node_modules/granary'))
  writeFileSync(
    path.join(folder, 'node_modules/.bin/granary'),
    `#!/bin/sh\nexec node ${packed()}/dist/cli/granary.js "$@"\n`,
    { mode: 0o755 },
  )
  symlinkSync(path.join(root, 'node_modules/.bin/asc'), path.join(folder, 'node_modules/.bin/asc'))
  const jco = 'node_modules/@bytecodealliance'
  symlinkSync(path.join(tools, jco), path.join(folder, jco))
  return folder
}

/** A work folder with a copy of an example in it. */
export function exampleFolder(name: string): string {
  const folder = workFolder(name)
  cpSync(path.join(root, 'examples', name), folder, { recursive: true })
  cpSync(path.join(root, 'examples/wasi.mjs'), path.join(folder, 'wasi.mjs'))
  return folder
}

export function equal(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`)
}
