// What the tests of the host share.
import { readFileSync } from 'node:fs'
import path from 'node:path'

/** The module as a file. */
export const bytes = readFileSync(path.join(import.meta.dirname, '../../build/granary.wasm'))
/** Bytes of a page of memory. */
export const PAGE = 65536

/** What a call throws. */
export function thrown(call: () => unknown): Error & { code?: string; address?: number } {
  try {
    call()
  } catch (error) {
    return error as Error
  }
  throw new Error(`${call} threw nothing`)
}
