// What the commands with options read their command lines with.

import { parseArgs } from 'node:util'

/** What is wrong with a command line. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** parseArgs, but of what it complains about only the first sentence: the next are for other programs. */
export const parseCommandLine: typeof parseArgs = (config) => {
  try {
    return parseArgs(config)
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ')[0])
  }
}

/** The count, from 1 on, that an option was given. */
export function countOf(option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new UsageError(`${option}: '${text}' is not a count`)
  return Number(text)
}
