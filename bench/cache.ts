// Files that are made once and kept.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** Writes a file in one step, so that a process beside this one never reads half of it. */
export function put(file: string, content: Uint8Array | string): void {
  inFolder(path.dirname(file), (folder) => {
    const finished = path.join(folder, 'finished')
    writeFileSync(finished, content)
    renameSync(finished, file)
  })
}

/** Does what needs a folder, in a new one within `parent`, which is removed afterwards. */
export function inFolder<T>(parent: string, work: (folder: string) => T): T {
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(path.join(parent, 'making-'))
  try {
    return work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What tells inputs from others, for the name of a file. */
export function digestOf(...inputs: (string | Uint8Array)[]): string {
  const hash = createHash('sha256')
  for (const input of inputs) hash.update(`${input.length} `).update(input)
  return hash.digest('hex').slice(0, 16)
}

/** A module that is made once for the same inputs and kept in `place`. `make` is given a folder for what comes in between. */
export function cached(
  place: string,
  name: string,
  inputs: (string | Uint8Array)[],
  make: (folder: string) => Uint8Array,
): Uint8Array {
  const file = path.join(place, `${name}-${digestOf(...inputs)}.wasm`)
  if (existsSync(file)) return readFileSync(file)
  const made = inFolder(place, make)
  put(file, made)
  return made
}
