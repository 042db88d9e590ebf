// What `granary link` has binaryen do: read, simplify, merge and optimise modules.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type binaryenModule from 'binaryen'
import { LinkError } from './error.ts'
import { isComponent, isModule } from './wasm.ts'

export type Binaryen = typeof binaryenModule
export type Module = ReturnType<Binaryen['readBinary']>

/** The oldest binaryen that knows all of `features`. Package managers may put an older one, another package's, beside this one. */
const OLDEST = 125
const NEEDED = `granary link needs binaryen ${OLDEST} or newer beside granary`
const INSTALL = 'npm install --save-dev binaryen, or --global where granary is installed so'

/** binaryen, which whoever links installs beside this package. Throws a LinkError if there is none, or too old a one. */
export async function load(): Promise<Binaryen> {
  const { default: binaryen } = await import('binaryen').catch((error) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new LinkError(`${NEEDED}: ${INSTALL}`)
  })
  const { version } = createRequire(import.meta.url)('binaryen/package.json')
  if (Number.parseInt(version) < OLDEST) throw new LinkError(`${NEEDED}, which has ${version}: ${INSTALL}`)
  return binaryen
}

/** The features of WebAssembly that programs may use: those that compilers of C, C++ and Rust emit and today's engines run. Keys
 *  are binaryen's names for them in its library, values those in its tools. */
const features = {
  Atomics: 'threads',
  BulkMemory: 'bulk-memory',
  BulkMemoryOpt: 'bulk-memory-opt',
  CallIndirectOverlong: 'call-indirect-overlong',
  ExceptionHandling: 'exception-handling',
  ExtendedConst: 'extended-const',
  Multivalue: 'multivalue',
  MutableGlobals: 'mutable-globals',
  NontrappingFPToInt: 'nontrapping-float-to-int',
  ReferenceTypes: 'reference-types',
  RelaxedSIMD: 'relaxed-simd',
  SIMD128: 'simd',
  SignExt: 'sign-ext',
  TailCall: 'tail-call',
} as const

/** Reads a module in the binary format. Throws a LinkError if it is none. */
export function read(binaryen: Binaryen, wasm: Uint8Array): Module {
  try {
    return binaryen.readBinary(wasm)
  } catch {
    throw new LinkError(
      isComponent(wasm)
        ? 'this is a component: link its core module, before it becomes one'
        : isModule(wasm)
          ? 'binaryen cannot read this module: it is damaged, or uses a feature of WebAssembly that is newer than this binaryen'
          : 'this is not a WebAssembly module that binaryen can read',
    )
  }
}

function allow(binaryen: Binaryen, module: Module) {
  const names = Object.keys(features) as (keyof typeof features)[]
  module.setFeatures(names.reduce<number>((sum, name) => sum | binaryen.Features[name], 0))
}

/** The program with constants put where they are used, and a local of its own for each value, except where paths meet. */
export function simplified(binaryen: Binaryen, program: Uint8Array): Module {
  const module = read(binaryen, program)
  allow(binaryen, module)
  module.runPasses(['precompute-propagate', 'optimize-instructions', 'ssa-nomerge'])
  return module
}

/** Merges modules, given as text by the names under which they import from each other. Runs binaryen's tool, because its library cannot
 *  merge. Throws a LinkError if the tool fails, as it does for a feature that is not listed above. */
export function merge(binaryen: Binaryen, texts: Record<string, string>): Module {
  const folder = mkdtempSync(path.join(tmpdir(), 'granary-'))
  try {
    const file = (text: string, index: number) => {
      const name = path.join(folder, `${index}.wasm`)
      const module = binaryen.parseText(text)
      allow(binaryen, module)
      binaryen.setDebugInfo(true)
      writeFileSync(name, module.emitBinary())
      return name
    }
    const output = path.join(folder, 'merged.wasm')
    const modules = Object.entries(texts).flatMap(([name, text], index) => [file(text, index), name])
    const tool = createRequire(import.meta.url).resolve('binaryen/bin/wasm-merge')
    const enabled = Object.values(features).map((name) => `--enable-${name}`)
    const args = [tool, ...modules, '-o', output, ...enabled, '--skip-export-conflicts', '-g']
    const { status, signal, error, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    if (error) throw error
    if (status !== 0) {
      const feature = /--enable-([\w-]+)/.exec(stderr)?.[1]
      const reason = stderr.trim().split('\n', 1)[0] || `its tool ended with ${signal ?? status}`
      throw new LinkError(
        feature === undefined
          ? `binaryen cannot merge this module with granary: ${reason}`
          : `the module uses a feature of WebAssembly that granary link does not serve: ${feature}`,
      )
    }
    return read(binaryen, readFileSync(output))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Optimises for speed. Inlining more than binaryen does by default doubled a small program's size and gained a twentieth at most. Large
 *  functions with one caller are not inlined into it: malloc and free would become too large for engines to inline. */
export function optimise(binaryen: Binaryen, module: Module, keepNames: boolean): Uint8Array {
  binaryen.setOptimizeLevel(3)
  binaryen.setShrinkLevel(0)
  binaryen.setOneCallerInlineMaxSize(80)
  binaryen.setDebugInfo(keepNames)
  allow(binaryen, module)
  module.runPasses(['strip-dwarf'])
  module.optimize()
  return module.emitBinary()
}
