// npm run build:embed: compiles the core once for each kind of program and writes build/embed/*.o and lib*.a, and for `granary link` the
// module that they are made of.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { FEATURES, root, runTool } from '../scripts/run.mjs'
import { toArchive } from './archive.ts'
import { toObject } from './object.ts'
import { symbolsFor } from './symbols.ts'

const output = 'build/embed'

/** Compiles embed/NAME.as.ts with the core. The names of its functions stay in it, for profiles. */
function compile(name: string, switches: string[]): Uint8Array {
  const file = `${output}/${name}.wasm`
  const uses = switches.flatMap((name) => ['--use', name])
  const entry = `embed/${name}.as.ts`
  runTool('assemblyscript/bin/asc.js', entry, '--config', 'asconfig.json', '--debug', '-o', file, ...uses)
  runTool('binaryen/bin/wasm-opt', '-O3', '-g', ...FEATURES, file, '-o', file)
  return readFileSync(path.join(root, file))
}

/** Writes NAME.o and libNAME.a. */
function write(name: string, module: Uint8Array): void {
  const object = toObject(module, symbolsFor(name))
  writeFileSync(path.join(root, output, `${name}.o`), object)
  writeFileSync(path.join(root, output, `lib${name}.a`), toArchive([{ name: 'granary.o', bytes: object }]))
  console.log(`${output}/${name}.o: ${object.length} bytes`)
}

mkdirSync(path.join(root, output), { recursive: true })
const switches = ['ERRNO_BY_IMPORT=1', 'HEAP_END_IMPORT=1']
const module = compile('granary', switches)
write('granary', module)
write('granary-prefixed', module)
write('granary-emscripten', compile('granary-emscripten', [...switches, 'GROW_BY_IMPORT=1', 'EMSCRIPTEN=1']))
