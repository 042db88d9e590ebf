// A merged module whose growth can be refused, to see how much of its memory an allocator can put to use again.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { put, root } from './rivals.ts'

const FEATURES = [
  'bulk-memory',
  'bulk-memory-opt',
  'multivalue',
  'mutable-globals',
  'nontrapping-float-to-int',
  'reference-types',
  'sign-ext',
  'simd',
]

// Takes the place of every memory.grow.
const switchable = `
  (global $frozen (mut i32) (i32.const 0))
  (export "frozen" (global $frozen))
  (func $grow_unless_frozen (param $pages i32) (result i32)
    (if (result i32) (i32.and (global.get $frozen) (i32.ne (local.get $pages) (i32.const 0)))
      (then (i32.const -1))
      (else (memory.grow (local.get $pages))))))`

/** Makes the module beside the merged one, whose name must change with its content; returns its path. */
export function freezable(merged: string): string {
  const file = merged.replace(/\.wasm$/, '.frozen.wasm')
  if (existsSync(file)) return file
  const flags = FEATURES.map((feature) => `--enable-${feature}`)
  const tool = (name: string, args: string[]) =>
    execFileSync(process.execPath, [path.join(root, 'node_modules/binaryen/bin', name), ...args, ...flags])
  const text = `${merged}.${process.pid}.wat`
  tool('wasm-dis', [merged, '-o', text])
  put(
    text,
    readFileSync(text, 'utf8')
      .replaceAll('(memory.grow', '(call $grow_unless_frozen')
      .replace(/\)\s*$/, switchable),
  )
  tool('wasm-as', [text, '-o', `${text}.wasm`])
  renameSync(`${text}.wasm`, file)
  rmSync(text)
  return file
}
