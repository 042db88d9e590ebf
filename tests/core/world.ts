// A program that calls every function of the heap in any order, through two instances on one memory, and checks each
// answer against the oracle and against what the documentation promises.
import {
  ANONYMOUS,
  BREAK_MAX,
  Core,
  Errno,
  FAILED,
  hex,
  MADV_DONTNEED,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MREMAP_MAYMOVE,
  type Options,
  PAGE,
  PTRDIFF_MAX,
  refusal,
} from './core.ts'
import { Oracle, pagesOf, type Range } from './oracle.ts'
import { type Step, sizeFrom } from './steps.ts'

/** Where the test's own words stand, below every heap. */
const SCRATCH = 64

export interface WorldOptions extends Options {
  /** Growth through an import, which this stands for. */
  grow?: (memory: WebAssembly.Memory, pages: number) => number
}

export class World {
  readonly oracle: Oracle
  readonly options: Required<Omit<WorldOptions, 'grow'>>
  readonly #grow?: (pages: number) => number
  memory: WebAssembly.Memory
  cores: Core[]
  blocks: { range: Range; size: number }[] = []
  /** Calls that memory was refused to. */
  failures = 0

  constructor({ initial = 1, maximum = 0x1000, base = 1024, grow }: WorldOptions = {}) {
    this.options = { initial, maximum, base }
    this.memory = new WebAssembly.Memory({ initial, maximum })
    if (grow) this.#grow = (pages) => grow(this.memory, pages)
    this.cores = this.#instances()
    this.oracle = new Oracle(this.memory, base)
    // What lies below the heap is not the heap's, and what it is given may be dirty.
    new Uint8Array(this.memory.buffer).fill(0xbb)
  }

  #instances(): Core[] {
    return [0, 1].map(() => new Core(this.memory, this.options.base, this.#grow))
  }

  /** Takes the steps; verifies the heap after each, and compares its counters after every `every`th. */
  run(sequence: readonly Step[], every = 1): void {
    sequence.forEach((step, i) => {
      try {
        this.step(step)
        this.verify()
        if (i % every === 0) this.check()
        if (i % (32 * every) === 0) this.checkContents()
      } catch (error) {
        const { kind, a, b } = step
        throw new Error(`step ${i}, ${kind} (${a}, ${b}): ${(error as Error).message}`, { cause: error })
      }
    })
    this.check()
    this.checkContents()
  }

  verify(): void {
    const broken = this.cores[0].verify()
    if (broken) throw new Error(`heap_verify: ${broken}`)
  }

  /** Compares the heap's counters with the oracle's. */
  check(): void {
    const [core] = this.cores
    const brk = core.sbrk(0)
    if (brk === FAILED) {
      // The heap could not begin.
      expectEqual(Math.max(...Object.values(core.stats(SCRATCH))), 0, 'heap_stats without a heap')
      return
    }
    const { heap, inUse, mapped, free, peak } = core.stats(SCRATCH)
    const usable = this.oracle.bytesOf('block')
    expectEqual(inUse, usable, 'heap_stats: in use, against usable bytes of live blocks')
    expectEqual(mapped, this.oracle.bytesOf('page'), 'heap_stats: mapped')
    expectEqual(heap, brk - this.options.base, 'heap_stats: heap')
    if (inUse + mapped + free > heap) throw new Error(`heap_stats: ${inUse} + ${mapped} + ${free} exceed ${heap}`)
    if (peak < inUse + mapped) throw new Error(`heap_stats: peak ${peak} is below ${inUse} + ${mapped}`)
  }

  checkContents(): void {
    this.oracle.checkAll()
    const below = Buffer.from(this.memory.buffer, 128, this.options.base - 128)
    const i = below.findIndex((byte) => byte !== 0xbb)
    if (i >= 0) throw new Error(`the byte at ${hex(128 + i)}, below the heap, was written`)
  }

  /** Gives everything back that can be given back. */
  freeAll(): void {
    const [core] = this.cores
    for (const { range } of this.blocks) {
      this.oracle.check(range)
      core.free(range.start)
      this.oracle.release(range)
    }
    this.blocks = []
    for (const range of [...this.oracle.ranges]) {
      if (range.owner !== 'page') continue
      expectEqual(core.munmap(range.start, PAGE), 0, 'munmap')
      this.oracle.release(range)
    }
    const given = this.#bytesToBreak(core.sbrk(0))
    if (given > 0) this.#lower(core, given)
    this.check()
  }

  step({ kind, a, b }: Step): void {
    const core = this.cores[b & 1]
    const choice = b >>> 1
    const size = sizeFrom(a)
    switch (kind) {
      case 'malloc':
        this.#allocated(core, core.malloc(size), size)
        break
      case 'calloc': {
        const n = 1 + (choice % 7)
        this.#allocated(core, core.calloc(n, Math.ceil(size / n)), Math.ceil(size / n) * n, { zero: true })
        break
      }
      case 'alignedAlloc':
      case 'memalign': {
        const alignment = 2 ** (choice % 19)
        this.#allocated(core, core[kind](alignment, size), size, { alignment })
        break
      }
      case 'posixMemalign': {
        const alignment = 2 ** (2 + (choice % 17))
        core.setU32(SCRATCH, 1)
        const error = core.posixMemalign(SCRATCH, alignment, size)
        const p = core.u32(SCRATCH)
        if (error) {
          expectEqual(error, Errno.ENOMEM, 'posix_memalign')
          expectEqual(p, 1, 'what posix_memalign stored when it failed')
        }
        this.#allocated(core, error ? 0 : p, size, { alignment, errno: false })
        break
      }
      case 'valloc':
        this.#allocated(core, core.valloc(size), size, { alignment: PAGE })
        break
      case 'pvalloc': {
        const whole = Math.max(1, Math.ceil(size / PAGE)) * PAGE
        this.#allocated(core, core.pvalloc(size), whole, { alignment: PAGE })
        break
      }
      case 'realloc':
        this.#reallocated(core, choice, size, (p) => core.realloc(p, size))
        break
      case 'reallocarray':
        this.#reallocated(core, choice, size & ~3, (p) => core.reallocarray(p, 4, size >>> 2))
        break
      case 'free':
      case 'freeSized':
      case 'freeAlignedSized':
        if (!this.blocks.length) core.free(0)
        else this.#free(core, choice % this.blocks.length, kind)
        break
      case 'freeMany':
        for (let n = (this.blocks.length * (a % 100)) / 100; n >= 1; n--) {
          this.#free(core, choice % this.blocks.length, 'free')
        }
        break
      case 'tooLarge':
        this.#tooLarge(core, a, choice)
        break
      case 'sbrk':
        this.#sbrk(core, choice & 1 ? size : -size)
        break
      case 'brk':
        this.#setBrk(core, choice & 1 ? size : -size)
        break
      case 'mmap':
        this.#mmap(core, 1 + (a % (6 * PAGE)))
        break
      case 'mmapFixed':
        this.#mmapFixed(core, a, choice)
        break
      case 'munmap':
        this.#munmap(core, a, choice)
        break
      case 'mremap':
        this.#mremap(core, a, choice)
        break
      case 'madvise':
        this.#madvise(core, a, choice)
        break
      case 'foreignGrowth':
        // Seldom: what is skipped for it is lost to the heap.
        if (a % 8 === 0) this.#foreignGrowth(1 + (choice % 3))
        break
      case 'invalidFree':
        this.#invalidFree(core, a, choice)
        break
      case 'snapshot':
        if (a % 4 === 0) this.#snapshot()
        break
    }
  }

  // ------------------------------------------------------------------------------------------------------------ blocks

  #allocated(
    core: Core,
    p: number,
    size: number,
    { alignment = 1, zero = false, errno = true }: { alignment?: number; zero?: boolean; errno?: boolean } = {},
  ): void {
    if (!p) {
      if (errno) expectEqual(core.lastError(), Errno.ENOMEM, 'last_error')
      this.#refused(size + (alignment > 16 ? 2 * alignment : 0))
      return
    }
    const atLeast = Math.max(alignment, 16)
    if (p % atLeast) throw new Error(`${hex(p)} is not a multiple of ${atLeast}`)
    const range = this.#claimBlock(core, p, size)
    if (zero) this.oracle.checkZero(p, p + size)
    this.oracle.fill(range)
    // Nothing tells the heap afterwards that an aligned block was asked for with less than it got.
    this.blocks.push({ range, size: alignment > 16 ? range.end - range.start : size })
  }

  #claimBlock(core: Core, p: number, size: number): Range {
    const usable = core.usableSize(p)
    if (usable < size) throw new Error(`usable size ${usable} of ${size} bytes at ${hex(p)}`)
    return this.oracle.claim(p, p + usable, 'block')
  }

  #reallocated(core: Core, choice: number, size: number, call: (p: number) => number): void {
    if (!this.blocks.length || choice % 16 === 0) {
      this.#allocated(core, call(0), size)
      return
    }
    const i = choice % this.blocks.length
    const block = this.blocks[i]
    const { start, end } = block.range
    this.oracle.check(block.range)
    const p = call(start)
    if (!p && size) {
      expectEqual(core.lastError(), Errno.ENOMEM, 'last_error')
      if (size <= end - start) throw new Error(`refused to shrink ${end - start} bytes`)
      this.#refused(size)
      this.oracle.check(block.range)
      return
    }
    this.oracle.release(block.range)
    this.#drop(i)
    if (!size) {
      expectEqual(p, 0, 'realloc to 0 bytes')
      return
    }
    if (size <= end - start && p !== start) {
      // A small block may move where half of it is enough.
      const enough = size < block.size && end - start <= 256 && 2 * (Math.ceil(size / 16) * 16) <= end - start
      if (!enough) throw new Error(`moved although ${end - start} bytes were usable`)
    }
    if (p % 16) throw new Error(`${hex(p)} is misaligned`)
    const range = this.#claimBlock(core, p, size)
    this.oracle.checkCopy(block.range, p, Math.min(end - start, size))
    this.oracle.fill(range)
    this.blocks.push({ range, size })
  }

  #free(core: Core, i: number, how: 'free' | 'freeSized' | 'freeAlignedSized'): void {
    const { range, size } = this.blocks[i]
    this.oracle.check(range)
    const error = core.lastError()
    if (how === 'free') core.free(range.start)
    else if (how === 'freeSized') core.freeSized(range.start, size)
    else core.freeAlignedSized(range.start, 8, size)
    expectEqual(core.lastError(), error, `last_error after ${how}`)
    this.oracle.release(range)
    this.#drop(i)
  }

  #drop(i: number): void {
    const last = this.blocks.pop()
    if (last && i < this.blocks.length) this.blocks[i] = last
  }

  #tooLarge(core: Core, a: number, choice: number): void {
    const huge = PTRDIFF_MAX + 1 + (a >>> 1)
    const block = this.blocks[choice % Math.max(1, this.blocks.length)]
    const p = block?.range.start ?? 0
    const results = [
      core.malloc(huge),
      core.calloc(0x10000, 0x10000 + (a >>> 8)),
      core.realloc(p, huge),
      core.reallocarray(p, 0x8000, 0x10000 + (a >>> 8)),
      core.alignedAlloc(2 ** (choice % 32), huge),
      core.pvalloc(huge),
    ]
    for (const [i, result] of results.entries()) expectEqual(result, 0, `result ${i} of a request that is too large`)
    expectEqual(core.lastError(), Errno.ENOMEM, 'last_error')
    if (block) this.oracle.check(block.range)
  }

  /** A request for this many bytes has failed: throws if there must have been room, in new memory or in a gap. */
  #refused(bytes: number, gaps = true): void {
    this.failures++
    if (this.#grow) return // the test decides
    const { maximum } = this.options
    const pages = this.memory.buffer.byteLength / PAGE
    // Tables for all pages, a page of spans at both ends, and the pieces that are too small for a block.
    const overhead = maximum * 2048 + 3 * PAGE
    const room = Math.max((Math.min(maximum, 0xffff) - pages) * PAGE, 0)
    const gap = this.oracle.largestGap(this.options.base, pages * PAGE)
    if (room >= bytes + overhead) throw new Error(`${bytes} bytes refused, although memory may grow by ${room}`)
    if (gaps && gap >= 2 * (bytes + overhead))
      throw new Error(`${bytes} bytes refused, although ${gap} in a row are free`)
  }

  #invalidFree(core: Core, a: number, choice: number): void {
    const block = this.blocks[choice % Math.max(1, this.blocks.length)]
    const { start, end } = block?.range ?? { start: 0, end: this.memory.buffer.byteLength }
    // Half of them inside a block, the others anywhere, mostly where a block could begin.
    let p = a & 1 ? start + ((a >>> 4) % (end - start)) : (a >>> 4) % (this.memory.buffer.byteLength + PAGE)
    if (a & 6) p &= ~15
    const range = this.oracle.at(p)
    if (!p || range?.owner === 'block') return
    const calls = [
      () => core.free(p),
      () => core.realloc(p, 1 + (choice % 1000)),
      () => core.usableSize(p),
      () => core.freeSized(p, 16),
    ]
    const { reason, address } = refusal(core, calls[choice % calls.length], hex(p))
    if (core.sbrk(0) === FAILED) return // no heap, no place to note a reason
    expectEqual(address, p, 'trap_address')
    if (reason < 1 || reason > 5) throw new Error(`trap_reason ${reason} for ${hex(p)}`)
  }

  // ------------------------------------------------------------------------------------------------------- the break

  /** Bytes that end at the address and all came from sbrk. */
  #bytesToBreak(end: number): number {
    let start = end
    for (let i = this.oracle.ranges.length - 1; i >= 0; i--) {
      const range = this.oracle.ranges[i]
      if (range.end === start && range.owner === 'break') start = range.start
    }
    return end - start
  }

  #raised(start: number, bytes: number): void {
    if (!bytes) return
    const range = this.oracle.claim(start, start + bytes, 'break')
    this.oracle.checkZero(range.start, range.end)
    this.oracle.fill(range)
  }

  #lower(core: Core, bytes: number): void {
    const end = core.sbrk(0)
    expectEqual(core.sbrk(-bytes), end, 'what sbrk down returned')
    expectEqual(core.sbrk(0), end - bytes, 'the break after sbrk down')
    this.#cut(end, bytes)
  }

  #cut(end: number, bytes: number): void {
    for (const range of this.oracle.overlapping(end - bytes, end)) {
      if (range.start >= end - bytes) this.oracle.release(range)
      else range.end = end - bytes
    }
  }

  #sbrk(core: Core, bytes: number): void {
    const old = core.sbrk(0)
    if (bytes < 0) {
      if (-bytes <= this.#bytesToBreak(old)) this.#lower(core, -bytes)
      else {
        expectEqual(core.sbrk(bytes), FAILED, `sbrk(${bytes})`)
        expectEqual(core.lastError(), Errno.ENOMEM, 'last_error')
        expectEqual(core.sbrk(0), old, 'the break after sbrk was refused')
      }
      return
    }
    const start = core.sbrk(bytes)
    if (start === FAILED) {
      expectEqual(core.lastError(), Errno.ENOMEM, 'last_error')
      this.#refused(bytes, false)
      return
    }
    const foreign = this.oracle.overlapping(old, BREAK_MAX).some(({ owner }) => owner === 'foreign')
    if (start !== old && !foreign) throw new Error(`sbrk returned ${hex(start)}, but the break was ${hex(old)}`)
    this.#raised(start, bytes)
    if (bytes) expectEqual(core.sbrk(0), start + bytes, 'the break')
  }

  #setBrk(core: Core, by: number): void {
    const old = core.sbrk(0)
    const down = by < 0 && -by <= this.#bytesToBreak(old)
    const result = core.brk(old === FAILED ? PAGE : Math.max(0, old + by))
    if (result) {
      expectEqual(result, -1, 'brk')
      expectEqual(core.lastError(), Errno.ENOMEM, 'last_error')
      if (down) throw new Error(`brk refused to give ${-by} bytes back`)
      return
    }
    if (by < 0 && !down) throw new Error(`brk gave ${-by} bytes back that did not all come from sbrk`)
    expectEqual(core.sbrk(0), old + by, 'the break')
    if (by < 0) this.#cut(old, -by)
    else this.#raised(old, by)
  }

  // ------------------------------------------------------------------------------------------------------- mappings

  #mapped(start: number, end: number): void {
    for (const p of pagesOf(start, end)) {
      const range = this.oracle.claim(p, p + PAGE, 'page')
      this.oracle.check(range)
      this.oracle.fill(range)
    }
  }

  #unmapped(start: number, end: number): void {
    for (const range of this.oracle.overlapping(start, end)) {
      if (range.owner !== 'page') throw new Error(`munmap took the ${range.owner} at ${hex(range.start)}`)
      this.oracle.release(range)
    }
  }

  /** A mapped page's address, if there is any. */
  #anyPage(choice: number): number {
    const pages = this.oracle.ranges.filter(({ owner }) => owner === 'page')
    return pages.length ? pages[choice % pages.length].start : 0
  }

  /** Bytes from the address on that are mapped. */
  #mappedFrom(start: number): number {
    let end = start
    while (this.oracle.at(end)?.owner === 'page') end += PAGE
    return end - start
  }

  #mmap(core: Core, length: number): void {
    const p = core.mmap(0, length)
    if (p === FAILED) {
      expectEqual(core.lastError(), Errno.ENOMEM, 'last_error')
      this.#refused(length + 2 * PAGE)
      return
    }
    if (p % PAGE) throw new Error(`mmap returned ${hex(p)}`)
    this.#mapped(p, p + length)
  }

  #mmapFixed(core: Core, a: number, choice: number): void {
    const replace = (a & 1) === 1
    const page = choice & 1 ? this.#anyPage(choice >>> 1) : 0
    const pages = this.memory.buffer.byteLength / PAGE
    const p = page ? page - PAGE * ((a >>> 1) & 1) : ((a >>> 1) % (pages + 1)) * PAGE
    const end = p + PAGE * (1 + ((a >>> 20) & 3))
    const inTheWay = this.oracle.overlapping(p, end)
    const result = core.mmap(p, end - p - 100, 3, ANONYMOUS | (replace ? MAP_FIXED : MAP_FIXED_NOREPLACE))
    if (result === FAILED) {
      const allowed: number[] = replace ? [Errno.ENOMEM] : [Errno.ENOMEM, Errno.EEXIST]
      if (!allowed.includes(core.lastError())) throw new Error(`last_error ${core.lastError()}`)
      if (replace && this.#mappedFrom(p) >= end - p) throw new Error(`did not replace the mapping at ${hex(p)}`)
      return
    }
    expectEqual(result, p, 'mmap of a fixed address')
    if (!replace && inTheWay.length) throw new Error(`MAP_FIXED_NOREPLACE replaced what is at ${hex(p)}`)
    this.#unmapped(p, end)
    this.#mapped(p, end)
  }

  #munmap(core: Core, a: number, choice: number): void {
    const page = this.#anyPage(choice)
    if (!page) return
    const p = page - PAGE * (a & 1)
    const length = 1 + ((a >>> 1) % (4 * PAGE))
    const end = p + Math.ceil(length / PAGE) * PAGE
    for (const range of this.oracle.overlapping(p, end)) this.oracle.check(range)
    const result = core.munmap(p, length)
    if (result === 0) {
      // What lies above the heap's own, sbrk's and others', munmap passes over.
      for (const range of this.oracle.overlapping(p, end)) {
        if (range.owner === 'block') throw new Error(`munmap took the block at ${hex(range.start)}`)
        if (range.owner === 'page') this.#unmapped(range.start, range.end)
      }
      return
    }
    expectEqual(result, -1, 'munmap')
    expectEqual(core.lastError(), Errno.EINVAL, 'last_error')
    if (this.#mappedFrom(p) >= end - p) throw new Error(`munmap refused [${hex(p)}, ${hex(end)}), which is mapped`)
  }

  #mremap(core: Core, a: number, choice: number): void {
    const p = this.#anyPage(choice)
    if (!p) return
    const old = Math.min(this.#mappedFrom(p), PAGE * (1 + (a & 3)))
    const size = PAGE * (1 + ((a >>> 2) % 7)) - (a >>> 28)
    const flags = (a >>> 27) & MREMAP_MAYMOVE
    const pages = this.oracle.overlapping(p, p + old)
    for (const range of pages) this.oracle.check(range)
    const q = core.mremap(p, old, size, flags)
    if (q === FAILED) {
      expectEqual(core.lastError(), Errno.ENOMEM, 'last_error')
      for (const range of pages) this.oracle.check(range)
      if (size <= old) throw new Error('mremap refused to shrink')
      if (flags) this.#refused(size + 2 * PAGE)
      return
    }
    if (q % PAGE) throw new Error(`mremap returned ${hex(q)}`)
    if (q !== p && !flags) throw new Error('mremap moved the mapping without being allowed to')
    for (const range of pages) this.oracle.release(range)
    const end = q + Math.ceil(size / PAGE) * PAGE
    pages.forEach((range, i) => {
      const at = q + i * PAGE
      if (at >= end) return
      this.oracle.checkCopy(range, at, PAGE)
      const moved = this.oracle.claim(at, at + PAGE, 'page')
      moved.pattern = range.pattern
    })
    if (q + old < end) this.#mapped(q + old, end)
  }

  #madvise(core: Core, a: number, choice: number): void {
    const p = this.#anyPage(choice)
    if (!p) return
    const length = PAGE * (1 + (a & 1))
    const result = core.madvise(p, length, MADV_DONTNEED)
    if (this.#mappedFrom(p) < length) {
      expectEqual(result, -1, 'madvise')
      expectEqual(core.lastError(), Errno.ENOMEM, 'last_error')
      return
    }
    expectEqual(result, 0, 'madvise')
    for (const range of this.oracle.overlapping(p, p + length)) range.pattern = 0
  }

  // --------------------------------------------------------------------------------------------------------- others

  #foreignGrowth(pages: number): void {
    // Before the heap has begun, all memory there is will be the heap's.
    if (!this.blocks.length) return
    const start = this.memory.buffer.byteLength
    if (start / PAGE + pages > this.options.maximum) return
    this.memory.grow(pages)
    this.oracle.fill(this.oracle.claim(start, start + pages * PAGE, 'foreign'))
  }

  /** Goes on in a copy of the memory, with new instances. */
  #snapshot(): void {
    const { maximum } = this.options
    const copy = new WebAssembly.Memory({ initial: this.memory.buffer.byteLength / PAGE, maximum })
    new Uint8Array(copy.buffer).set(new Uint8Array(this.memory.buffer))
    this.memory = this.oracle.memory = copy
    this.cores = this.#instances()
  }
}

function expectEqual(actual: number, expected: number, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${actual} instead of ${expected}`)
}
