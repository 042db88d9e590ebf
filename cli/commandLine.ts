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
    throw new UsageError((error as Error).message.split(/\.\s/, 1)[0].replace(/\.$/, ''))
  }
}
