// What the commands with options read their command lines with.

import { parseArgs } from 'node:util'

/** parseArgs, but of what it complains about only the first sentence: the next are for other programs. */
export const parseCommandLine: typeof parseArgs = (config) => {
  try {
    return parseArgs(config)
  } catch (error) {
    throw new Error((error as Error).message.split('. ')[0])
  }
}
