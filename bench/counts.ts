// Counts on the command lines of the benchmarks.

import { UsageError } from '../cli/commandLine.ts'

/** The count, from 1 on, that an option was given. */
export function countOf(option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new UsageError(`${option}: '${text}' is not a count`)
  return Number(text)
}
