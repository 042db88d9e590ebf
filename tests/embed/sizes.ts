// A program pays only for the functions that it uses: how large a module with granary.o is, by the set of functions used.

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { root, shell, type Test, workFolder } from './harness.ts'

const sets = [
  ['malloc', 'free'],
  ['malloc', 'free', 'realloc'],
  ['malloc', 'free', 'realloc', 'calloc', 'aligned_alloc'],
  ['mmap', 'munmap'],
  [
    'malloc',
    'free',
    'realloc',
    'calloc',
    'aligned_alloc',
    'posix_memalign',
    'mmap',
    'munmap',
    'sbrk',
    'granary_verify',
  ],
]

/** Bytes of a module with each set alone, unoptimised as the linker leaves it. */
export function measureSizes(): { names: string[]; bytes: number }[] {
  const work = workFolder('sizes')
  return sets.map((names) => {
    const exports = names.map((name) => `--export=${name}`).join(' ')
    shell(`wasm-ld-22 --no-entry -s ${exports} ${root}/build/embed/granary.o -o sizes.wasm`, work)
    return { names, bytes: readFileSync(path.join(work, 'sizes.wasm')).length }
  })
}

export const sizeTests: Test[] = [
  {
    name: 'sizes: a smaller set of functions links less',
    run: () => {
      const [least, , , mappings, all] = measureSizes()
      if (least.bytes >= all.bytes * 0.75) throw new Error(`malloc and free take ${least.bytes} of ${all.bytes} bytes`)
      return `malloc+free ${least.bytes}, mmap+munmap ${mappings.bytes}, everything ${all.bytes} bytes`
    },
  },
]
