// Which symbols the object files define and ask for.

import { mallocFamily } from '../cli/family.ts'
import type { Symbols } from './object.ts'

/** Names by which C libraries call the same functions inside. One that is missing would link the library's own allocator too. */
const aliases: Record<string, string[]> = {
  malloc: ['__libc_malloc', 'emscripten_builtin_malloc'],
  free: ['__libc_free', 'emscripten_builtin_free'],
  calloc: ['__libc_calloc'],
  memalign: ['__libc_memalign', 'emscripten_builtin_memalign'],
}

/** Functions of POSIX and of the component model, weak: a program may have its own, such as the read-only mmap that wasi-libc emulates. */
const shared = ['sbrk', 'brk', 'mmap', 'munmap', 'mremap', 'madvise', 'cabi_realloc']

const own = ['heap_verify', 'heap_stats', 'last_error', 'trap_reason', 'trap_address']

/** The symbols of every variant. The malloc family's are strong, so that nothing else can take their place in a program. */
export const symbols: Symbols = {
  defined: {
    ...Object.fromEntries(
      mallocFamily.map((name) => [name, [name, ...(aliases[name] ?? [])].map((name) => ({ name }))]),
    ),
    ...Object.fromEntries(shared.map((name) => [name, [{ name, weak: true }]])),
    ...Object.fromEntries(own.map((name) => [name, [{ name: `granary_${name.replace('heap_', '')}` }]])),
    granary_set_errno: [{ name: 'granary_set_errno' }],
    granary_grow: [{ name: 'granary_grow' }],
  },
  undefined: {
    errno: { name: 'errno', weak: true },
    set_errno: { name: 'granary_set_errno' },
    grow: { name: 'granary_grow' },
  },
}
