// Finds and reads the traces of this folder, and those that a user brings.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { unpackTrace } from '../columns.ts'
import { parseTrace, type Trace, TraceError } from '../trace.ts'

/** Where the bundled traces are. */
export const folder = path.dirname(fileURLToPath(import.meta.url))

/** The ending of a trace in the bundled form. */
export const BUNDLED = '.trace.br'

/** The names of all bundled traces. */
export function bundledNames(): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(BUNDLED))
    .map((file) => file.slice(0, -BUNDLED.length))
    .sort()
}

export function bundledTrace(name: string): Trace {
  return unpackTrace(readFileSync(path.join(folder, name + BUNDLED)), name)
}

/** What a trace is called: its file's name without the ending. */
export const nameOf = (file: string): string => path.basename(file).replace(/(\.mtrc(\.gz)?|\.trace\.br)$/, '')

/** Reads a trace from a file in MTRC, plain or gzip-compressed, or in the bundled form. Throws a TraceError. */
export function readTrace(file: string, name = file): Trace {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(file)
  } catch (error) {
    throw new TraceError(`${name}: cannot be read: ${(error as Error).message}`)
  }
  return file.endsWith(BUNDLED) ? unpackTrace(bytes, name) : parseTrace(bytes, name)
}
