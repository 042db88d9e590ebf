// npm run build:objects: compiles the core once for each kind of program and writes build/embed/*.o and lib*.a.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'
import { toArchive } from './archive.ts'
import { toObject } from './object.ts'
import { symbols } from './symbols.ts'

const here = path.dirname(fileURLToPath(import.meta.url))
const output = path.join(here, '../build/embed')

/** The object files, by their name, and the switches that the core is compiled with. */
const variants: Record<string, string[]> = {
  granary: ['ERRNO_BY_IMPORT=1'],
  'granary-emscripten': ['ERRNO_BY_IMPORT=1', 'GROW_BY_IMPORT=1', 'EMSCRIPTEN=1'],
}

const flags =
  '-O3 --noAssert --converge --runtime stub --importMemory --noExportMemory --enable bulk-memory --debug --use abort='

async function compile(entry: string, switches: string[]): Promise<Uint8Array> {
  const file = path.join(output, `${entry}.wasm`)
  const uses = switches.flatMap((name) => ['--use', name])
  const { error, stderr } = await asc.main([
    path.join(here, `${entry}.as.ts`),
    '-o',
    file,
    ...flags.split(' '),
    ...uses,
  ])
  if (error) throw new Error(stderr.toString(), { cause: error })
  return readFileSync(file)
}

mkdirSync(output, { recursive: true })
for (const [name, switches] of Object.entries(variants)) {
  const object = toObject(await compile(name, switches), symbols)
  writeFileSync(path.join(output, `${name}.o`), object)
  writeFileSync(path.join(output, `lib${name}.a`), toArchive([{ name: 'granary.o', bytes: object }]))
  console.log(`build/embed/${name}.o ${object.length} bytes`)
}
