// What linking has to know of a program.

import { findErrno, findHeapBase, findMemory, type Memory } from './addresses.ts'
import { LinkError } from './error.ts'
import { type Family, findFamily, type Program } from './functions.ts'
import { findGrowth, type Growth } from './growth.ts'
import type { Field } from './text.ts'

/** What the user says of a module that does not say it. */
export interface LinkOptions {
  /** The address where its heap may begin. */
  heapBase?: number
  /** The names in C of functions of the malloc family. The key is a function's index in the module, where imported functions come
   *  first, or the name of its export. */
  functions?: Map<number | string, string>
}

/** What was found in a program, by which it is linked. */
export interface Plan extends Family {
  memory: Memory
  /** The import by which its host grows the memory or hears of growth, if there is one. */
  growth?: Growth
  heapBase: number
  /** The address of its errno. */
  errno?: number
}

/** Finds what linking has to know of a program. */
export function planOf(program: Program, heap: Field[], options: LinkOptions): Plan {
  const { app, names } = program
  const memory = findMemory(app)
  if ([...names.values()].some((name) => name === 'granary_set_errno' || name.startsWith('assembly/malloc/')))
    throw new LinkError('granary is in this module already')
  const family = findFamily(program, heap, options.functions)
  const growth = findGrowth(app, family)
  const heapBase = findHeapBase(app, memory, options.heapBase, growth)
  return { ...family, memory, growth, heapBase, errno: findErrno(app) }
}
