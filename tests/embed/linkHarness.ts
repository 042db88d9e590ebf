// What the tests of granary link share.

import { readFileSync } from 'node:fs'
import path from 'node:path'
import binaryen from 'binaryen'
import { LinkError } from '../../cli/error.ts'
import { link } from '../../cli/link.ts'
import type { LinkOptions } from '../../cli/plan.ts'
import { root } from './harness.ts'

export const clang = 'clang-22 --target=wasm32-wasi -O2 --no-wasm-opt -Wl,--export=__heap_base'

/** The module that granary link puts into others. */
export const core = () => readFileSync(path.join(root, 'build/embed/granary.wasm'))

/** A module of its text. */
export function wat(text: string, hasNames = true): Uint8Array {
  const module = binaryen.parseText(text)
  const has = binaryen.Features
  module.setFeatures(has.Atomics | has.GC | has.Memory64 | has.MutableGlobals | has.ReferenceTypes | has.SIMD128)
  binaryen.setDebugInfo(hasNames)
  return module.emitBinary()
}

/** What is replaced in a module, or the sentence that refuses it. */
export async function outcome(module: Uint8Array, options?: LinkOptions): Promise<string> {
  try {
    return (await link(module, core(), options)).report.replaced.join(', ')
  } catch (error) {
    if (error instanceof LinkError) return error.message
    throw error
  }
}
