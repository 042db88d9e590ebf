// Which symbols the object files define and ask for.

import { mallocFamily } from '../cli/family.ts'
import type { Symbols } from './object.ts'

/** Names by which C libraries call the same functions inside. One that is missing would link the library's own allocator too. */
const aliases: Record<string, string[]> = {
  malloc: ['__libc_malloc', 'emscripten_builtin_malloc'],
  free: ['__libc_free', 'emscripten_builtin_free'],
  calloc: ['__libc_calloc', 'emscripten_builtin_calloc'],
  realloc: ['__libc_realloc', 'emscripten_builtin_realloc'],
  memalign: ['__libc_memalign', 'emscripten_builtin_memalign'],
}

/** Weak: a program may have its own. */
const unix = ['sbrk', 'brk']

const mappings = ['mmap', 'munmap', 'mremap', 'madvise']

const own = ['heap_verify', 'heap_stats', 'last_error', 'trap_reason', 'trap_address']

/** Strong, so that nothing else can take their place in a program. */
const family = Object.fromEntries(
  mallocFamily.map((name) => [name, [name, ...(aliases[name] ?? [])].map((name) => ({ name }))]),
)
const weak = (names: string[]) => Object.fromEntries(names.map((name) => [name, [{ name, weak: true }]]))

/** C's names for the functions, by the object file. */
const namesInC: Record<string, Symbols['defined']> = {
  // A program may have other mappings, such as the read-only mmap that wasi-libc emulates.
  granary: { ...family, ...weak([...unix, ...mappings]) },
  // The C library maps files itself.
  'granary-emscripten': { ...family, ...weak(unix) },
  // For a program without a C library: what it calls malloc is its own, and may be made of this heap.
  'granary-prefixed': {},
}

/** The symbols of an object file. The first of each function, by which the heap calls it too, begins with `granary_`. */
export function symbolsFor(object: string): Symbols {
  const symbols = (name: string) => [
    { name: `granary_${name.replace('heap_', '')}` },
    ...(namesInC[object][name] ?? []),
  ]
  const functions = [...mallocFamily, ...unix, ...mappings, ...own]
  return {
    defined: {
      ...Object.fromEntries(functions.map((name) => [name, symbols(name)])),
      granary_set_errno: [{ name: 'granary_set_errno' }],
      granary_grow: [{ name: 'granary_grow' }],
    },
    undefined: {
      errno: { name: 'errno', weak: true },
      // Linkers before LLVM 15 do not know it.
      __heap_end: { name: '__heap_end', weak: true },
      set_errno: { name: 'granary_set_errno' },
      grow: { name: 'granary_grow' },
    },
  }
}
