// The size of the code: of malloc, free and realloc alone, of C's five functions, of the whole malloc family, of everything;
// for speed and for size.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import binaryen from 'binaryen'
import { mallocFamily } from '../../cli/family.ts'
import type { Size } from './results.ts'
import { buildRival, type Level, type Rival } from './rivals.ts'

const core = ['malloc', 'free', 'realloc']
const five = [...core, 'calloc', 'aligned_alloc']
const sets: { functions: Size['functions']; names?: string[] }[] = [
  { functions: 'core', names: core },
  { functions: 'five', names: five },
  { functions: 'family', names: mallocFamily },
  { functions: 'all' },
]

/** Sizes of one allocator's module, stripped to what the functions of each set need, if it has them all. */
export async function sizesOf(rival: Rival): Promise<Size[]> {
  const sizes: Size[] = []
  for (const level of ['O3', 'Oz'] as Level[]) {
    const wasm = readFileSync(await buildRival(rival, level))
    const exported = WebAssembly.Module.exports(new WebAssembly.Module(wasm)).map(({ name }) => name)
    for (const { functions, names } of sets) {
      if (names?.some((name) => !exported.includes(name))) continue
      const stripped = strip(wasm, level, names)
      sizes.push({
        allocator: rival.id,
        functions,
        level,
        raw: stripped.length,
        gzip: gzipSync(stripped, { level: 9 }).length,
      })
    }
  }
  return sizes
}

/** The module without the code that only other exports need. */
function strip(wasm: Uint8Array, level: Level, names?: string[]): Uint8Array {
  const module = binaryen.readBinary(wasm)
  try {
    module.setFeatures(binaryen.Features.All)
    const exports = Array.from({ length: module.getNumExports() }, (_, i) =>
      binaryen.getExportInfo(module.getExportByIndex(i)),
    )
    for (const { name, kind } of exports) {
      const isFunction = kind === binaryen.ExternalFunction
      if (isFunction ? names && !names.includes(name) && name !== '__wasm_call_ctors' : names) module.removeExport(name)
    }
    binaryen.setOptimizeLevel(level === 'O3' ? 3 : 2)
    binaryen.setShrinkLevel(level === 'O3' ? 0 : 2)
    module.optimize()
    module.runPasses(['strip-debug', 'strip-producers', 'strip-target-features'])
    return module.emitBinary()
  } finally {
    module.dispose()
  }
}
