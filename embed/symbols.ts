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

/** Functions of Unix and of the component model, weak: a program may have its own. */
const shared = ['sbrk', 'brk', 'cabi_realloc']

const mappings = ['mmap', 'munmap', 'mremap', 'madvise']

const own = ['heap_verify', 'heap_stats', 'last_error', 'trap_reason', 'trap_address']

/**
 * The symbols of a variant. The malloc family's are strong, so that nothing else can take their place in a program. Where the C
 * library `maps` files itself, granary's mappings have names of their own only; elsewhere a program may have others, such as the
 * read-only mmap that wasi-libc emulates.
 */
export const symbolsFor = (maps: boolean): Symbols => ({
  defined: {
    ...Object.fromEntries(
      mallocFamily.map((name) => [name, [name, ...(aliases[name] ?? [])].map((name) => ({ name }))]),
    ),
    ...Object.fromEntries(shared.map((name) => [name, [{ name, weak: true }]])),
    ...Object.fromEntries(
      mappings.map((name) => [name, [{ name: `granary_${name}` }, ...(maps ? [] : [{ name, weak: true }])]]),
    ),
    ...Object.fromEntries(own.map((name) => [name, [{ name: `granary_${name.replace('heap_', '')}` }]])),
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
})
