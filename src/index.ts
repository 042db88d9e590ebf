export {
  type AsyncHeapOptions,
  type CompiledModule,
  createHeap,
  createHeapSync,
  type GivenMemory,
  type HeapOptions,
  type OwnMemory,
} from './create.ts'
export { HeapError, type HeapErrorCode, type HeapErrorOptions } from './errors.ts'
export type { HeapExports } from './exports.ts'
export { Heap, type HeapStats, type ViewConstructor } from './heap.ts'
