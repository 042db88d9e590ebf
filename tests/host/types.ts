// The host's types. Never run: tsc checks it (npm run typecheck).
import { expectTypeOf } from 'vitest'
import {
  type AsyncHeapOptions,
  createHeap,
  createHeapSync,
  type Heap,
  type HeapError,
  type HeapErrorCode,
  type HeapOptions,
} from '../../src/index.ts'

expectTypeOf(createHeap).returns.resolves.toEqualTypeOf<Heap>()
expectTypeOf(createHeapSync).returns.toEqualTypeOf<Heap>()

expectTypeOf<Heap['malloc']>().toEqualTypeOf<(size: number) => number>()
expectTypeOf<Heap['mremap']>().parameters.toEqualTypeOf<[number, number, number, boolean?]>()
expectTypeOf<Heap['mallocMany']>().parameters.toEqualTypeOf<[Uint32Array]>()
expectTypeOf<Heap['u8']>().toEqualTypeOf<Uint8Array<ArrayBuffer>>()
// What hashes, sockets and files take.
expectTypeOf<Heap['u8']>().toExtend<BufferSource & BlobPart>()
expectTypeOf<Heap['i64']>().toEqualTypeOf<BigInt64Array<ArrayBuffer>>()

const view = (heap: Heap) =>
  [heap.view(0, Float64Array, 1), heap.view(0, BigUint64Array, 1), heap.view(0, DataView, 1)] as const
expectTypeOf(view).returns.toExtend<readonly [Float64Array, BigUint64Array, DataView]>()

// So that a program's comparison with a code that there is not is an error.
expectTypeOf<HeapError['code']>().toEqualTypeOf<HeapErrorCode | `${number}`>()
expectTypeOf<'ENOMEM'>().toExtend<HeapErrorCode>()
expectTypeOf<'ENOMEN'>().not.toExtend<HeapError['code']>()

const memory = new WebAssembly.Memory({ initial: 1 })
expectTypeOf({ initial: 1, maximum: 2 }).toExtend<HeapOptions>()
expectTypeOf({ memory, heapBase: 0, module: new Uint8Array() }).toExtend<HeapOptions>()
expectTypeOf({ memory }).not.toExtend<HeapOptions>()
expectTypeOf({ memory, heapBase: 0, initial: 1 }).not.toExtend<HeapOptions>()
expectTypeOf({ module: new URL('http://localhost') }).toExtend<AsyncHeapOptions>()
expectTypeOf({ module: fetch('granary.wasm') }).toExtend<AsyncHeapOptions>()
const bytes = new Uint8Array()
for (const module of [new WebAssembly.Module(bytes), bytes, bytes.buffer]) createHeapSync({ module })
// @ts-expect-error: not awaited
createHeapSync({ module: WebAssembly.compile(bytes) })
// @ts-expect-error: nothing is fetched at once
createHeapSync({ module: new URL('http://localhost') })
// @ts-expect-error: the same
createHeapSync({ module: new Response() })
// @ts-expect-error: no module
createHeap({ module: 5 })
// @ts-expect-error: not a view
createHeapSync().view(0, ArrayBuffer, 1)
// @ts-expect-error: neither
createHeapSync().view(0, Array, 1)
