export {
  type AsyncHeapOptions,
  createHeap,
  createHeapSync,
  type GivenMemory,
  type HeapOptions,
  type OwnMemory,
} from './create.ts'
export { HeapError, type HeapErrorCode } from './errors.ts'
export type { HeapExports } from './exports.ts'
export { Heap, type HeapStats, type ViewConstructor } from './heap.ts'
