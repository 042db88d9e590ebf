// The newest clang, wasi-libc and libc++, as npm carries them: the C and C++ examples must do what they do with Debian's.

import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { equal, root, shell, type Test, tools, workFolder } from './harness.ts'

type RunClang = (args: string[], files: Record<string, Uint8Array>) => Promise<Record<string, Uint8Array>>

const examples = {
  'c/main.c': { compiler: ['clang'], printed: 'barley before wheat\nthe heap is sound\n' },
  'cpp/main.cpp': {
    compiler: ['clang++', '-fno-exceptions'],
    printed: "50 fields, 20 rows in the first\nnew and delete are granary's\nthe heap is sound\n",
  },
}

async function load(): Promise<RunClang> {
  try {
    const file = createRequire(path.join(tools, 'package.json')).resolve('@yowasp/clang')
    return (await import(pathToFileURL(file).href)).runClang
  } catch {
    throw new Error('@yowasp/clang is not installed: npm run setup:embed')
  }
}

export const newestTests: Test[] = Object.entries(examples).map(([example, { compiler, printed }]) => ({
  name: `newest clang: ${example}`,
  run: async () => {
    const runClang = await load()
    const work = workFolder('newest')
    const name = path.basename(example)
    const output = await runClang([...compiler, '-O2', '-I.', name, 'granary.o', '-o', 'main.wasm'], {
      [name]: readFileSync(path.join(root, 'examples', example)),
      'granary.h': readFileSync(path.join(root, 'embed/granary.h')),
      'granary.o': readFileSync(path.join(root, 'build/embed/granary.o')),
    })
    writeFileSync(path.join(work, 'main.wasm'), output['main.wasm'])
    equal(shell(`node ${root}/examples/wasi.mjs main.wasm`, work), printed, 'printed')
    equal(shell('wasm-objdump -x -j name main.wasm', work).includes('dispose_chunk'), false, 'dlmalloc')
  },
}))
