// What of a program's memory the heap gets, and where errno is.

import { LinkError } from './error.ts'
import { stackTop } from './globals.ts'
import { breakOf, type Growth } from './growth.ts'
import { constantReturned, dataEnd, exportsOf, type Field, nameOf } from './text.ts'

const errnoLocation = '__errno_location'
const heapBaseNames = ['__heap_base', '~lib/memory/__heap_base']

/** The global that the module exports by one of these names, or whose own name is one of them. */
function globalOf(app: Field[], names: string[]): Field | undefined {
  const exported = exportsOf(app).find((entry) => entry.kind === 'global' && names.includes(entry.name))
  return app.find(({ kind, id }) => kind === 'global' && (id === exported?.id || names.includes(nameOf(id))))
}

/** The highest address that is accepted for a heap: from there on, header, tables and a block fit into the largest memory. */
export const LAST_BASE = 0xfffd0000

const constant = /^ \(global \S+ i32 \(i32\.const (-?\d+)\)\)/

/** The memory of a program. */
export interface Memory {
  id: string
  /** The bytes that the program begins with; where the memory is imported, those that it asks for at least. */
  size: number
  isImported: boolean
}

/** The program's memory; refuses one that one heap cannot serve. */
export function findMemory(app: Field[]): Memory {
  const memories = app.filter((field) => field.kind === 'memory')
  if (memories.length !== 1) throw new LinkError(`the module has ${memories.length} memories: granary serves one`)
  const [memory] = memories
  const [, is64, pages, isShared] = /( i64)? (\d+)(?: \d+)?( shared)?\)+$/.exec(memory.text) ?? []
  if (is64) throw new LinkError('the memory has 64-bit addresses, which granary does not serve')
  if (isShared) throw new LinkError('the memory is shared between threads, which this core does not serve')
  return { id: memory.id, size: Number(pages) * 65536, isImported: memory.from !== undefined }
}

/** The address where the heap may begin: the module's own or, if it does not say one, the user's. Refuses an address with data above it,
 *  and one from the user that is beyond the end of the memory, unless that is imported: then it may be larger than `size`. */
export function findHeapBase(app: Field[], { size, isImported }: Memory, given?: number, growth?: Growth): number {
  const end = dataEnd(app)
  if (end === Number.POSITIVE_INFINITY) {
    throw new LinkError(
      'the module puts data at an address that is no constant: it may be above the one where the heap begins',
    )
  }
  const own = globalOf(app, heapBaseNames)
  const initialBreak = !own && growth ? breakOf(app, growth, size) : undefined
  if ((own || initialBreak !== undefined) && given !== undefined) {
    throw new LinkError('the module says itself where its heap may begin: leave out --heap-base')
  }
  if (given !== undefined) {
    if (end > given) throw new LinkError(`the module has data up to ${end}, above --heap-base ${given}`)
    if (given > size && !isImported)
      throw new LinkError(`--heap-base ${given} is beyond the memory, which ends at ${size}`)
    return given
  }
  if (initialBreak !== undefined) return initialBreak
  if (!own) {
    const top = stackTop(app)
    // Linkers put the stack above all variables or below them. Below them it does not tell where those without data end.
    const isLast = end > 0 && end <= top && top <= size
    const reason = isLast
      ? `its stack, which is above its data, begins at ${top}`
      : size > 0
        ? `its initial memory ends at ${size}`
        : 'it imports its memory, of any size'
    const address = isLast ? top : size || 'ADDRESS'
    throw new LinkError(
      `the module does not say where its heap may begin: link it with -Wl,--export=__heap_base, or say --heap-base ${address} if you know that the program keeps nothing of its own above that address (${reason})`,
    )
  }
  const value = constant.exec(own.text)
  if (!value) throw new LinkError('__heap_base is not a constant')
  const address = Number(value[1]) >>> 0
  if (address > LAST_BASE) throw new LinkError(`__heap_base is ${address}, where no heap can begin`)
  if (end > address) {
    throw new LinkError(
      'the module has data above __heap_base: it was initialised before it was stored and holds blocks of its old heap; link it before that',
    )
  }
  return address
}

/** The address of errno: what the global of this name holds, which linkers make where they are told to export it, or what a function of C's
 *  does nothing but return. */
export function findErrno(app: Field[]): number | undefined {
  const value = constant.exec(globalOf(app, ['errno'])?.text ?? '')?.[1]
  if (value !== undefined) return Number(value) >>> 0
  const exported = exportsOf(app).find(({ kind, name }) => kind === 'func' && name === errnoLocation)
  const own = app.find(({ kind, id }) => kind === 'func' && (id === exported?.id || nameOf(id) === errnoLocation))
  return constantReturned(own?.text ?? '')
}
