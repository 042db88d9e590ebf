// Many calls of malloc or free for one from JavaScript, by a module (batch.wat) of 200 bytes that imports them.
import { bytesOf } from './base64.ts'
import { base64 } from './generated/batch.ts'

/** What the module exports. Addresses are bytes, as i32. */
export interface Batch {
  /** Replaces the sizes from `from` to `to` by blocks' addresses, until there is no memory; see `at`. */
  malloc_many(from: number, to: number): void
  /** Where malloc_many came to, even if it threw. */
  at: WebAssembly.Global
  free_8(a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number): void
}

let compiled: WebAssembly.Module | undefined

/** The module for a heap's malloc, free and memory. */
export function createBatch(env: { malloc: unknown; free: unknown; memory: WebAssembly.Memory }): Batch {
  compiled ??= new WebAssembly.Module(bytesOf(base64))
  return new WebAssembly.Instance(compiled, { env } as WebAssembly.Imports).exports as unknown as Batch
}
