// Paths that the user gave.
import { closeSync, existsSync, mkdirSync, openSync, readSync } from 'node:fs'
import path from 'node:path'
import { UsageError } from '../cli/commandLine.ts'

/** As seen from where the user is: npm runs its scripts in the package's folder, whatever folder it was called in. */
export function userPath(file: string): string {
  return path.resolve(process.env.INIT_CWD ?? process.cwd(), file)
}

/** Makes a folder and those above it. Node's own way never ends in /proc, where a folder can be missing though all above it are there. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  makeFolder(path.dirname(folder))
  try {
    mkdirSync(folder)
  } catch (error) {
    if (!existsSync(folder)) throw error // which another run may have made meanwhile
  }
}

/** The file that an option names for output. It is opened before the work begins, so that a bad name is refused at once. A file
 *  that is there already may be written over only if it is empty or begins as those of its kind do. */
export function outputPath(option: string, name: string, kind: string, beginning: string): string {
  if (!name) throw new UsageError(`${option}: the name of a file is missing`)
  const file = userPath(name)
  const start = Buffer.alloc(beginning.length)
  let length: number
  try {
    makeFolder(path.dirname(file))
    const opened = openSync(file, 'a+')
    length = readSync(opened, start, 0, start.length, 0) // not all of it, which has no end in /dev/full
    closeSync(opened)
  } catch (error) {
    throw new UsageError(`${option}: ${(error as Error).message}`)
  }
  if (length && start.toString('latin1') !== beginning)
    throw new UsageError(`${option}: ${file} is no ${kind} of this program’s: it would be lost`)
  return file
}
