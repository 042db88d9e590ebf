import { assertAddress, assertInteger, assertUint32Array, classOf, isSize, toSize } from './arguments.ts'
import { type Batch, createBatch } from './batch.ts'
import { asHeapError, ENOMEM, errnos, errnosInPlace, errnosOfLowering, errnosOfRange, failure } from './errors.ts'
import type { HeapExports } from './exports.ts'

/** What a heap holds, in bytes. */
export interface HeapStats {
  /** From the heap's base to the break. */
  heap: number
  /** In blocks in use, as the heap rounded their sizes up. */
  inUse: number
  /** In mappings. */
  mapped: number
  /** What requests may be given before the break moves. */
  free: number
  /** The most that was not free, sampled when the break moved for a request, and now; pages of spans counted whole. */
  peak: number
  /** How often the heap has grown the memory. */
  growths: number
}

/** Uint8Array and the like, or DataView. */
export type ViewConstructor<T extends ArrayBufferView> = new (buffer: ArrayBuffer, offset: number, length: number) => T

/** A typed array over memory that no threads share. Before TypeScript 5.7, its type is the same as over memory that they do. */
export type ArrayOf<Constructor extends { of: (...values: never[]) => unknown }> = ReturnType<Constructor['of']>

type Views = ReturnType<typeof viewsOf>

const viewsOf = (buffer: ArrayBuffer) => ({
  u8: new Uint8Array(buffer),
  u16: new Uint16Array(buffer),
  u32: new Uint32Array(buffer),
  u64: new BigUint64Array(buffer),
  i8: new Int8Array(buffer),
  i16: new Int16Array(buffer),
  i32: new Int32Array(buffer),
  i64: new BigInt64Array(buffer),
  f32: new Float32Array(buffer),
  f64: new Float64Array(buffer),
})

const STATS_SIZE = 24
const READ_WRITE = 3
const PRIVATE_ANONYMOUS = 0x22
const MAY_MOVE = 1
// mallocMany passes so many sizes at a time, in a block of 4 KiB.
const BATCH_LENGTH = 1024

/**
 * A heap in a WebAssembly memory: C's malloc and its kin, POSIX's mmap and BSD's sbrk, under their rules.
 *
 * Addresses and sizes are bytes, integers from 0 to 2^32 - 1; anything else throws a TypeError or a RangeError that names the
 * argument, except that for sizes from 2^32 to 2^53 - 1 there is just no memory. Blocks are aligned to 16 bytes.
 * A block has at most 2^31 - 1 bytes, as in C, whatever the memory; a mapping may have more.
 * A call that would damage the heap (freeing a block twice, say) throws a HeapError and changes nothing, unless it found the heap
 * `CORRUPT`. malloc, free, calloc and realloc may be taken out of the object and called without it.
 */
export class Heap {
  // `declare`, because a field that is defined first and set then is no constant to V8: 9 % of a pair of malloc and free.
  /** The memory that addresses refer to. The program may grow it, too: the heap leaves alone what others have added. */
  declare readonly memory: WebAssembly.Memory
  /** The module's own functions, for what this class does not offer. They check less: see HeapExports. */
  declare readonly exports: HeapExports

  // These four are properties, not methods, because V8 inlines a call into Wasm only where it knows the function. A
  // method of two heaps calls two: then a pair of malloc and free costs 1.6 times as much on Node 20, 1.5 on Node 26.

  /**
   * A block of `size` bytes of any content, to be given back with `free`, or 0 if there is no memory.
   * A block of 0 bytes has an address of its own.
   */
  declare readonly malloc: (size: number) => number
  /** Gives back the block at `pointer`, which malloc or its kin returned. Does nothing if it is 0. */
  declare readonly free: (pointer: number) => void
  /** As malloc, `count` times `size` bytes that are all zero. */
  declare readonly calloc: (count: number, size: number) => number
  /**
   * Makes the block at `pointer` `size` bytes long and returns its address, which may be a new one; its content stays, up
   * to the lesser size. Returns 0 if there is no memory, and the block is as before. A pointer of 0 is malloc; a size of
   * 0 is free, and returns 0.
   */
  declare readonly realloc: (pointer: number, size: number) => number

  #views: Views
  #batch: Batch | undefined
  readonly #isShared: boolean
  readonly #heapBase: number

  /** Wraps an instance that exports the heap's functions, and the memory that it works on, where the heap begins at `heapBase`. */
  constructor(exports: HeapExports, memory: WebAssembly.Memory, heapBase = 0) {
    const { malloc, free, calloc, realloc } = exports
    const refusal = (call: string, error: unknown, pointer?: number) => asHeapError(exports, call, error, pointer)
    this.exports = exports
    this.memory = memory
    this.#views = viewsOf(memory.buffer)
    this.#isShared = classOf(memory.buffer) === 'SharedArrayBuffer'
    this.#heapBase = heapBase

    // Calling the checks only where they fail saves a pair of malloc and free 4 % of its time.
    this.malloc = (size) => {
      if ((typeof size !== 'number' || size >>> 0 !== size) && !isSize('size', size)) return 0
      try {
        return malloc(size) >>> 0
      } catch (error) {
        throw refusal('malloc', error)
      }
    }
    this.free = (pointer) => {
      if (typeof pointer !== 'number' || pointer >>> 0 !== pointer) assertAddress('pointer', pointer)
      const block = pointer
      pointer = 0 // V8 keeps arguments on the stack while there is a handler: 3 % of a pair of malloc and free
      try {
        free(block)
      } catch (error) {
        throw refusal('free', error, block)
      }
    }
    this.calloc = (count, size) => {
      const isCount = isSize('count', count)
      if (!isSize('size', size) || !isCount) {
        if (count * size) return 0
        count = 0
      }
      try {
        return calloc(count, size) >>> 0
      } catch (error) {
        throw refusal('calloc', error)
      }
    }
    this.realloc = (pointer, size) => {
      assertAddress('pointer', pointer)
      size = toSize('size', size) // even if there is none so large, the core looks at the pointer first
      try {
        return realloc(pointer, size) >>> 0
      } catch (error) {
        throw refusal('realloc', error, pointer)
      }
    }
  }

  /**
   * As malloc for each of the sizes, all or none: returns the blocks’ addresses in the same order, or null if there is no
   * memory for all of them and, for a moment, for a block of up to 4 KiB. Faster than a loop until the engine has optimised
   * that.
   */
  mallocMany(sizes: Uint32Array): ArrayOf<Uint32ArrayConstructor> | null {
    assertUint32Array('sizes', sizes)
    const { malloc_many, at } = this.#batches()
    if (!sizes.length) return new Uint32Array()
    const blocks = sizes.slice() // sizes at first, then addresses; not in the heap's memory, which may grow
    const scratch = this.malloc(4 * Math.min(blocks.length, BATCH_LENGTH))
    if (!scratch) return null
    let done = 0
    for (let end = 0; end < blocks.length && done === end; ) {
      end = Math.min(blocks.length, done + BATCH_LENGTH)
      this.u32.set(blocks.subarray(done, end), scratch / 4)
      this.#guard('mallocMany', () => malloc_many(scratch, scratch + 4 * (end - done)))
      const count = (at.value - scratch) >>> 2
      blocks.set(this.u32.subarray(scratch / 4, scratch / 4 + count), done)
      done += count
    }
    this.free(scratch)
    if (done === blocks.length) return blocks
    this.freeMany(blocks.subarray(0, done))
    return null
  }

  /**
   * As free for each of the pointers. When one is refused, those before it are given back, it and those after it
   * are not.
   */
  freeMany(pointers: Uint32Array): void {
    assertUint32Array('pointers', pointers)
    const { free } = this.exports
    const { free_8 } = this.#batches()
    const p = new Int32Array(pointers.buffer, pointers.byteOffset, pointers.length) // as Wasm takes them
    const freeAll = () => {
      let i = 0
      for (; i + 8 <= p.length; i += 8)
        free_8(p[i], p[i + 1], p[i + 2], p[i + 3], p[i + 4], p[i + 5], p[i + 6], p[i + 7])
      for (; i < p.length; i++) free(p[i])
    }
    this.#guard(
      'freeMany',
      freeAll,
      pointers.find((pointer) => pointer > 0),
    )
  }

  /** As malloc, at a multiple of `alignment`, a power of two. To be given back with `free`. */
  alignedAlloc(alignment: number, size: number): number {
    assertInteger('alignment', alignment, 1, 2 ** 31)
    if (alignment & (alignment - 1)) throw new RangeError(`alignment must be a power of two, not ${alignment}`)
    if (!isSize('size', size)) return 0
    return this.#guard('alignedAlloc', () => this.exports.aligned_alloc(alignment, size)) >>> 0
  }

  /** Bytes of the block at `pointer` that may be used, at least as many as were asked for; 0 if it is 0. */
  usableSize(pointer: number): number {
    assertAddress('pointer', pointer)
    return this.#guard('usableSize', () => this.exports.malloc_usable_size(pointer), pointer) >>> 0
  }

  /**
   * Maps `length` bytes, rounded up to pages of 65,536, that are all zero, to be given back with `munmap`. Throws a HeapError
   * if there is no memory.
   */
  mmap(length: number): number {
    length = toSize('length', length)
    return this.#succeed('mmap', () => this.exports.mmap(0, length, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0))
  }

  /** Gives back the pages of `length` bytes at `address`: whole mappings, parts of them, or more than one. */
  munmap(address: number, length: number): void {
    assertAddress('address', address)
    length = toSize('length', length)
    this.#succeed(
      'munmap',
      () => this.exports.munmap(address, length),
      address,
      () => errnosOfRange(address, { length }),
    )
  }

  /**
   * Makes the mapping at `address` `newLength` bytes long and returns its address, a new one only if `move` is true. New
   * pages are zero. Throws a HeapError if there is no room or the range is not mapped, and the mapping is as before.
   */
  mremap(address: number, oldLength: number, newLength: number, move = true): number {
    assertAddress('address', address)
    oldLength = toSize('oldLength', oldLength)
    newLength = toSize('newLength', newLength)
    return this.#succeed(
      'mremap',
      () => this.exports.mremap(address, oldLength, newLength, move ? MAY_MOVE : 0),
      address,
      () => {
        const sentences = errnosOfRange(address, { oldLength, newLength })
        return move ? sentences : errnosInPlace(sentences)
      },
    )
  }

  /**
   * Moves the break by `increment` bytes, up or down, and returns where it was. Behind memory that the program itself has grown, it
   * returns where the new bytes begin. New bytes are zero. Throws a HeapError if the memory cannot grow, or if
   * more is given back than was taken since something else grew the heap.
   */
  sbrk(increment: number): number {
    assertInteger('increment', increment, -(2 ** 31), 2 ** 31 - 1)
    return this.#succeed(
      'sbrk',
      () => this.exports.sbrk(increment),
      undefined,
      () => (increment < 0 ? errnosOfLowering : errnos),
    )
  }

  /**
   * Counts what the heap holds. Begins the heap if it has not begun yet, and throws a HeapError if it cannot. Where the heap begins
   * below address 24, or in a shared memory, this takes a block of 24 bytes for a moment, and throws if there is no memory for that;
   * if it is the first small block, the page of spans that begins with it counts in `peak`.
   */
  stats(): HeapStats {
    // The core stores them in memory. In that below the heap they disturb nobody for as long as no other thread reads it.
    if (this.#heapBase < STATS_SIZE || this.#isShared) return this.#statsInBlock()
    if (this.exports.sbrk(0) === -1) throw failure('stats', ENOMEM, errnos) // now the memory reaches to the heap
    const out = this.u8.subarray(this.#heapBase - STATS_SIZE, this.#heapBase)
    const before = out.slice()
    try {
      this.exports.heap_stats(out.byteOffset)
      return toStats(out.slice())
    } finally {
      out.set(before)
    }
  }

  #statsInBlock(): HeapStats {
    const out = this.malloc(STATS_SIZE)
    if (!out) throw failure('stats', ENOMEM, errnos)
    this.exports.heap_stats(out)
    const own = this.usableSize(out)
    const stats = toStats(this.u8.slice(out, out + STATS_SIZE))
    this.free(out)
    return { ...stats, inUse: stats.inUse - own, free: stats.free + own }
  }

  /**
   * Walks the whole heap. 0 if it is sound, else the number of a broken invariant (assembly/verify.ts). 5 after a write into
   * a free block, which harms nothing: the heap mends it when it comes by.
   */
  verify(): number {
    return this.exports.heap_verify()
  }

  /** The memory as numbers of one type. Hold on to it only until the next call that may grow the memory. Index: address. */
  get u8(): ArrayOf<Uint8ArrayConstructor> {
    return this.#current().u8
  }
  /** As u8. Index: address / 2. */
  get u16(): ArrayOf<Uint16ArrayConstructor> {
    return this.#current().u16
  }
  /** As u8. Index: address / 4. */
  get u32(): ArrayOf<Uint32ArrayConstructor> {
    return this.#current().u32
  }
  /** As u8. Index: address / 8. */
  get u64(): ArrayOf<BigUint64ArrayConstructor> {
    return this.#current().u64
  }
  /** As u8. Index: address. */
  get i8(): ArrayOf<Int8ArrayConstructor> {
    return this.#current().i8
  }
  /** As u8. Index: address / 2. */
  get i16(): ArrayOf<Int16ArrayConstructor> {
    return this.#current().i16
  }
  /** As u8. Index: address / 4. */
  get i32(): ArrayOf<Int32ArrayConstructor> {
    return this.#current().i32
  }
  /** As u8. Index: address / 8. */
  get i64(): ArrayOf<BigInt64ArrayConstructor> {
    return this.#current().i64
  }
  /** As u8. Index: address / 4. */
  get f32(): ArrayOf<Float32ArrayConstructor> {
    return this.#current().f32
  }
  /** As u8. Index: address / 8. */
  get f64(): ArrayOf<Float64ArrayConstructor> {
    return this.#current().f64
  }

  /**
   * `length` numbers at `pointer`, as a Type such as Float64Array. Like every view, it is empty once the memory has grown.
   * Throws a RangeError if they are not in the memory or not aligned, and for address 0, which malloc returns when there is no
   * memory; whether a block is there, it does not ask.
   */
  view<T extends ArrayBufferView>(pointer: number, Type: ViewConstructor<T>, length: number): T {
    assertAddress('pointer', pointer)
    assertInteger('length', length, 0, 0xffffffff)
    if (pointer === 0 && length > 0)
      throw new RangeError('pointer is 0: no block is there, as where malloc had no memory')
    try {
      const view = new Type(this.memory.buffer, pointer, length)
      if (!ArrayBuffer.isView(view)) throw new TypeError(`${Type.name} is no class of views`)
      return view
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      const place = `at 0x${pointer.toString(16)} in a memory of ${this.memory.buffer.byteLength} bytes`
      throw new RangeError(`no ${Type.name} of length ${length} ${place}: ${cause.message}`, { cause })
    }
  }

  #current(): Views {
    // Growth leaves the views of an unshared memory empty, which takes a tenth of the time to see that `memory.buffer`
    // takes to read. A shared memory gets another, longer buffer, and views of the old one stay as they are.
    if (this.#views.u8.length === 0 || (this.#isShared && this.#views.u8.buffer !== this.memory.buffer)) {
      this.#views = viewsOf(this.memory.buffer)
    }
    return this.#views
  }

  #batches(): Batch {
    const { malloc, free } = this.exports
    return (this.#batch ??= createBatch({ malloc, free, memory: this.memory }))
  }

  #guard<T>(name: string, call: () => T, pointer?: number): T {
    try {
      return call()
    } catch (error) {
      throw asHeapError(this.exports, name, error, pointer)
    }
  }

  #succeed(name: string, call: () => number, address?: number, sentences = () => errnos): number {
    const result = this.#guard(name, call) >>> 0
    if (result === 0xffffffff) throw failure(name, this.exports.last_error(), sentences(), address)
    return result
  }
}

/** What heap_stats stored. */
function toStats({ buffer }: ArrayOf<Uint8ArrayConstructor>): HeapStats {
  const [heap, inUse, mapped, free, peak, growths] = new Uint32Array(buffer)
  return { heap, inUse, mapped, free, peak, growths }
}
