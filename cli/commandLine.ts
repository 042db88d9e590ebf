// What the commands with options read their command lines with.

import { parseArgs } from 'node:util'

/** What is wrong with a command line. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** parseArgs, but throws a UsageError with only the first sentence of its message: the rest is advice that does not fit here. */
export const parseCommandLine: typeof parseArgs = (config) => {
  try {
    return parseArgs(config)
  } catch (error) {
    throw new UsageError((error as Error).message.split(/\.\s/, 1)[0].replace(/\.$/, ''))
  }
}
