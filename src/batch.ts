// Many calls of malloc or free in one call from JavaScript: a module of 200 bytes (batch.wat) imports both and makes them.
import { bytesOf } from './base64.ts'
import { base64 } from './generated/batch.ts'

/** What the module exports. Addresses are bytes, as i32. */
export interface Batch {
  /** Replaces the sizes from `from` to `to` by blocks' addresses, until there is no memory; see `at`. */
  malloc_many(from: number, to: number): void
  /** Where malloc_many came to, even if it threw. */
  at: { value: number }
  free_8(a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number): void
}

let compiled: WebAssembly.Module | undefined

interface Environment {
  malloc: (size: number) => number
  free: (pointer: number) => void
  memory: WebAssembly.Memory
}

/** The module for a heap's malloc, free and memory. */
export function createBatch(env: Environment): Batch {
  try {
    compiled ??= new WebAssembly.Module(bytesOf(base64))
  } catch (error) {
    if (error instanceof WebAssembly.CompileError || typeof atob === 'undefined') return withoutModule(env)
    throw error
  }
  return new WebAssembly.Instance(compiled, { env } as unknown as WebAssembly.Imports).exports as unknown as Batch
}

/** The same in JavaScript, for where only modules run that were compiled before, as in Cloudflare Workers, or no `atob` is there. */
function withoutModule({ malloc, free, memory }: Environment): Batch {
  const at = { value: 0 }
  return {
    at,
    malloc_many(from, to) {
      for (at.value = from; at.value !== to; at.value += 4) {
        const block = malloc(new DataView(memory.buffer).getInt32(at.value, true))
        if (!block) return
        new DataView(memory.buffer).setInt32(at.value, block, true)
      }
    },
    free_8: (...blocks) => {
      for (const block of blocks) free(block)
    },
  }
}
