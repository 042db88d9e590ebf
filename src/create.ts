import { instantiate, instantiateSync } from '@assemblyscript/loader'
import { assertAddress, assertInteger, classOf } from './arguments.ts'
import { bytesOf } from './base64.ts'
import type { HeapExports } from './exports.ts'
import { base64 } from './generated/module.ts'
import { Heap } from './heap.ts'

/** A memory for the heap, in pages of 65,536 bytes. */
export interface OwnMemory {
  /** Pages at the start, 1 if not given. With 0, it grows as soon as it is made, if it may: the heap begins in it. */
  initial?: number | undefined
  /** Pages that the memory may grow to, at most 65,536 as without it. */
  maximum?: number | undefined
  memory?: undefined
  heapBase?: undefined
}

/** A memory that holds a program's data already. */
export interface GivenMemory {
  /** Not one that threads share. */
  memory: WebAssembly.Memory
  /**
   * The first byte that the heap may use: all memory from there on is the heap's. Linkers call it `__heap_base`; in a memory
   * that createHeap made, it is 1024. If a heap begins there already, another instance's or one in a copied memory, that is
   * used; one of another version of the ABI is refused. So is a second heap that begins elsewhere in the same memory.
   */
  heapBase: number
  initial?: undefined
  maximum?: undefined
}

/** A compiled module, which TypeScript's own type, an empty one, does not tell from a promise of one, a URL or a Response. */
export type CompiledModule = WebAssembly.Module & object & { then?: never; href?: never; arrayBuffer?: never }

export type HeapOptions = (OwnMemory | GivenMemory) & {
  /** The compiled module or its bytes (the file `granary/wasm`), in place of those that are built in. */
  module?: CompiledModule | BufferSource | undefined
}

type Source = CompiledModule | BufferSource | Response

export type AsyncHeapOptions = (OwnMemory | GivenMemory) & {
  /**
   * The module, its bytes, or where to fetch them (the file `granary/wasm`), in place of those that are built in. Node does
   * not fetch from `file:`; there, read the file.
   */
  module?: Source | URL | string | PromiseLike<Source> | undefined
}

// Below it, nothing is ever allocated: a small number is never a valid pointer.
const OWN_BASE = 1024
const PAGES_MAX = 65536
// As in assembly/layout.ts.
const MAGIC = 0x4e415247

/** Where the heaps of this program begin in their memories. */
const heapBases = new WeakMap<WebAssembly.Memory, number>()

/** Makes a heap, in a memory of its own unless one is given. */
export async function createHeap(options: AsyncHeapOptions = {}): Promise<Heap> {
  const place = toImports(options)
  const { module = (compiled ??= await WebAssembly.compile(bytesOf(base64))) } = options
  const source = await (typeof module === 'string' || classOf(module) === 'URL' ? fetched(`${module}`) : module)
  if (!isModule(source) && classOf(source) !== 'Response')
    throw new TypeError('module must be a WebAssembly.Module, its bytes, a Response or where to fetch it')
  const { instance } = await instantiate(isModule(source) ? compilable(source) : source, place.imports)
  return toHeap(instance, place)
}

/** As createHeap, synchronously. Outside of workers, browsers from before 2023 compile a module of this size only in createHeap. */
export function createHeapSync(options: HeapOptions = {}): Heap {
  const place = toImports(options)
  const { module = (compiled ??= new WebAssembly.Module(bytesOf(base64))) } = options
  if (!isModule(module)) throw new TypeError('module must be a WebAssembly.Module or its bytes')
  const { instance } = instantiateSync(compilable(module), place.imports)
  return toHeap(instance, place)
}

let compiled: WebAssembly.Module | undefined

const isModule = (value: unknown): value is WebAssembly.Module | BufferSource =>
  value instanceof WebAssembly.Module || // not of another global: the loader takes none
  ArrayBuffer.isView(value) ||
  ['ArrayBuffer', 'SharedArrayBuffer'].includes(classOf(value))

/** Bytes as an array of them, which every engine takes. */
const compilable = (source: WebAssembly.Module | BufferSource): WebAssembly.Module | BufferSource => {
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
  return source instanceof WebAssembly.Module ? source : new Uint8Array(source)
}

async function fetched(url: string): Promise<Response | ArrayBuffer> {
  const response = await fetch(url).catch((cause) => {
    throw new TypeError(`module: ${url} cannot be fetched`, { cause })
  })
  if (!response.ok) throw new TypeError(`module: ${url} cannot be fetched: ${response.status}`)
  // Servers that do not know modules give them other types, which engines compile only when all bytes are there.
  return response.headers.get('content-type') === 'application/wasm' ? response : response.arrayBuffer()
}

function toImports(options: HeapOptions | AsyncHeapOptions) {
  if (typeof options !== 'object' || options === null) throw new TypeError('options must be an object')
  const { memory = ownMemory(options), heapBase = OWN_BASE, initial, maximum } = options
  if (classOf(memory) !== 'WebAssembly.Memory') throw new TypeError('memory must be a WebAssembly.Memory')
  if (options.memory && (initial !== undefined || maximum !== undefined))
    throw new TypeError('initial and maximum are for a memory of the heap’s own, but one is given')
  if (!options.memory && options.heapBase !== undefined)
    throw new TypeError('heapBase is for a memory that is given, and none is')
  if (!options.module && classOf(memory.buffer) === 'SharedArrayBuffer')
    throw new TypeError('the memory is shared between threads, which the module built in does not serve')
  if (options.memory) assertAddress('heapBase', options.heapBase)
  return {
    memory,
    heapBase,
    isOwn: !options.memory,
    imports: { env: { memory, __heap_base: new WebAssembly.Global({ value: 'i32' }, heapBase) } },
  }
}

function toHeap({ exports }: WebAssembly.Instance, { memory, heapBase, isOwn }: ReturnType<typeof toImports>): Heap {
  if (typeof exports.malloc !== 'function') throw new TypeError('the module is not granary’s: it exports no malloc')
  // Not before the module is there: another heap may have been made meanwhile.
  const known = heapBases.get(memory) ?? heapBase
  if (known !== heapBase)
    throw new RangeError(
      `heapBase is ${heapBase}, but the heap in this memory begins at ${known}, and both would use the same bytes`,
    )
  const heap = new Heap(exports as unknown as HeapExports, memory, heapBase)
  assertUsable(heap, heapBase)
  // It begins with the first call, and pages that the program adds before would be the heap's.
  if (isOwn) heap.exports.sbrk(0)
  heapBases.set(memory, heapBase)
  return heap
}

/** Throws if a heap is there already that the module cannot use. */
function assertUsable({ exports, memory }: Heap, heapBase: number): void {
  // Asking the instance would begin a heap, which is left to the first call: so it is asked only where there is one.
  const abi = abiAt(memory, heapBase)
  if (abi === undefined) return
  const at = `the heap at 0x${heapBase.toString(16)}`
  const end = exports.sbrk(0)
  if (end === -1)
    throw new Error(`${at} is of ABI version ${abi >>> 8}, variant ${abi & 255}, which the module cannot use`)
  if (end >>> 0 > memory.buffer.byteLength)
    throw new Error(`${at} reaches to 0x${(end >>> 0).toString(16)}, beyond the memory: it was not copied as a whole`)
}

/** The version and the variant that the header of a heap in the memory tells; undefined if there is none. */
function abiAt({ buffer }: WebAssembly.Memory, heapBase: number): number | undefined {
  if (heapBase + 8 > buffer.byteLength) return undefined
  const header = new DataView(buffer, heapBase)
  return header.getUint32(0, true) === MAGIC ? header.getUint32(4, true) : undefined
}

function ownMemory({ initial = 1, maximum }: OwnMemory | GivenMemory): WebAssembly.Memory {
  assertInteger('initial', initial, 0, PAGES_MAX)
  if (maximum === undefined) return new WebAssembly.Memory({ initial })
  assertInteger('maximum', maximum, initial, PAGES_MAX)
  return new WebAssembly.Memory({ initial, maximum })
}
