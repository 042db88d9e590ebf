// What the scripts share: a Node that is new enough, dependencies that match the lock file, a way to run a command, and what of WebAssembly
// the builds may use.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

/** What wasm-opt may use: nothing in the core needs more, and every engine since 2021 has these. */
export const FEATURES = [
  '--enable-bulk-memory',
  '--enable-bulk-memory-opt',
  '--enable-mutable-globals',
  '--enable-sign-ext',
]

// What the tools need, vite most of all. The package itself runs on every Node 20.
const leastMinor = { 20: 19, 22: 12 }
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 23 && !(minor >= leastMinor[major])) {
  console.error(`This needs Node 20.19, 22.12 or newer, and here is ${process.versions.node}.`)
  process.exit(1)
}

/** For commands that take no arguments: leaves with the usage where there are any. Who asked for it gets status 0. */
export function refuseArguments(usage) {
  const [argument] = process.argv.slice(2)
  if (argument === undefined) return
  const isHelp = ['--help', '-h'].includes(argument)
  console[isHelp ? 'log' : 'error'](isHelp ? usage : `There are no arguments, but ${argument} was given.\n\n${usage}`)
  process.exit(isHelp ? 0 : 1)
}

/** Runs a command in the repository's root, passing its output through; leaves with its status if it fails. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (error) console.error(`${command}: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

/** Runs a JavaScript tool of an installed package with this Node. */
export function runTool(file, ...args) {
  run(process.execPath, [path.join(root, 'node_modules', file), ...args])
}

function installed() {
  const stamp = path.join(root, 'node_modules/.package-lock.json')
  if (!existsSync(stamp)) return false
  const { packages: want } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'))
  const { packages: have } = JSON.parse(readFileSync(stamp, 'utf8'))
  const there = (name, { version }) => have[name].version === version && existsSync(path.join(root, name))
  return Object.entries(want).every(([name, p]) => name === '' || (have[name] ? there(name, p) : p.optional))
}

/** Installs the locked dependencies where node_modules does not match the lock file; those that build, too, whatever npm that runs this,
 *  or NODE_ENV, says. */
export function install() {
  if (!installed()) run('npm', ['ci', '--no-dry-run', '--include=dev'], { shell: process.platform === 'win32' })
}
