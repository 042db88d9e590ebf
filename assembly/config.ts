// Build options, each set with `--use NAME=1`: GROW_BY_IMPORT (break.ts), ERRNO_BY_IMPORT (error.ts),
// HEAP_END_IMPORT and HEAP_BASE_BUILTIN (env.ts), EMSCRIPTEN (embed/c.as.ts).

import { Runtime } from 'shared/runtime'

/** Bytes of each small block that lie before its address: four under AssemblyScript's garbage collector, which keeps a size there
 *  (embed/assemblyscript/runtime.as.ts). */
export const FRONT: usize = isDefined(HEAP_BASE_BUILTIN) && ASC_RUNTIME == Runtime.Incremental ? 4 : 0

/** What the heap's header says of the module that made it: version of the ABI << 8 | variant. Modules that put other numbers of bytes in
 *  front cannot share a heap. */
export const ABI: u32 = (1 << 8) | <u32>FRONT
