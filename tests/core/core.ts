// The module under test: instances of it on a memory of the test's own, with unsigned results.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const PAGE = 0x10000
/** Largest address that the break may reach. */
export const BREAK_MAX = 0xffff0000
/** What mmap, mremap and sbrk return when they fail. */
export const FAILED = 0xffffffff
export const PTRDIFF_MAX = 0x7fffffff

export const Errno = { EBADF: 9, ENOMEM: 12, EFAULT: 14, EEXIST: 17, EINVAL: 22, ENOTSUP: 95 } as const
export const Reason = {
  outside: 1,
  misaligned: 2,
  notInUse: 3,
  notABlock: 4,
  isMapped: 5,
  corrupt: 6,
} as const

const PROT_READ_WRITE = 3
export const MAP_SHARED = 1
export const MAP_PRIVATE = 2
export const MAP_FIXED = 0x10
export const MAP_ANONYMOUS = 0x20
export const MAP_FIXED_NOREPLACE = 0x100000
export const ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS
export const MREMAP_MAYMOVE = 1
export const MADV_DONTNEED = 4

const file = (name: string, fallback: string) =>
  process.env[name] ?? fileURLToPath(new URL(`../../build/${fallback}`, import.meta.url))

/** Paths of the modules; other ones, such as mutants, are tested by naming them in the environment. */
export const modulePath = file('GRANARY_WASM', 'granary.wasm')
export const faultModulePath = file('GRANARY_FAULT_WASM', 'granary-fault.wasm')

const layout = readFileSync(new URL('../../assembly/layout.ts', import.meta.url), 'utf8')
/** Names of the fields of the heap's header, in their order. */
export const fields = [...layout.matchAll(/^ {2}(\w+): (?:u32|usize)$/gm)].map((field) => field[1])

/** Offset of a field in the heap's header, all of which have four bytes. */
export function offsetOf(field: string): number {
  const i = fields.indexOf(field)
  if (i === -1) throw new Error(`the header has no field ${field}`)
  return 4 * i
}

const compiled = new Map<string, WebAssembly.Module>()
function compile(path: string): WebAssembly.Module {
  let module = compiled.get(path)
  if (!module) {
    module = new WebAssembly.Module(readFileSync(path))
    compiled.set(path, module)
  }
  return module
}

export interface Stats {
  heap: number
  inUse: number
  mapped: number
  free: number
  peak: number
  growths: number
}

type Raw = Record<string, (...args: number[]) => number>

/** The exports, with addresses and sizes as the unsigned numbers they are. */
export class Core {
  readonly memory: WebAssembly.Memory
  readonly base: number
  readonly raw: Raw

  /** With `grow`, the module whose growth is an import. */
  constructor(memory: WebAssembly.Memory, base: number, grow?: (pages: number) => number) {
    this.memory = memory
    this.base = base
    const env = { memory, __heap_base: new WebAssembly.Global({ value: 'i32' }, base | 0), ...(grow && { grow }) }
    this.raw = new WebAssembly.Instance(compile(grow ? faultModulePath : modulePath), { env }).exports as Raw
  }

  malloc = (size: number) => this.raw.malloc(size) >>> 0
  calloc = (n: number, size: number) => this.raw.calloc(n, size) >>> 0
  realloc = (p: number, size: number) => this.raw.realloc(p, size) >>> 0
  reallocarray = (p: number, n: number, size: number) => this.raw.reallocarray(p, n, size) >>> 0
  alignedAlloc = (alignment: number, size: number) => this.raw.aligned_alloc(alignment, size) >>> 0
  memalign = (alignment: number, size: number) => this.raw.memalign(alignment, size) >>> 0
  posixMemalign = (at: number, alignment: number, size: number) => this.raw.posix_memalign(at, alignment, size)
  valloc = (size: number) => this.raw.valloc(size) >>> 0
  pvalloc = (size: number) => this.raw.pvalloc(size) >>> 0
  usableSize = (p: number) => this.raw.malloc_usable_size(p) >>> 0
  free = (p: number) => void this.raw.free(p)
  freeSized = (p: number, size: number) => void this.raw.free_sized(p, size)
  freeAlignedSized = (p: number, alignment: number, size: number) =>
    void this.raw.free_aligned_sized(p, alignment, size)
  sbrk = (bytes: number) => this.raw.sbrk(bytes) >>> 0
  brk = (address: number) => this.raw.brk(address)
  mmap = (address: number, length: number, prot = PROT_READ_WRITE, flags = ANONYMOUS, fd = -1, offset = 0) =>
    this.raw.mmap(address, length, prot, flags, fd, offset) >>> 0
  munmap = (address: number, length: number) => this.raw.munmap(address, length)
  mremap = (address: number, old: number, size: number, flags: number) =>
    this.raw.mremap(address, old, size, flags) >>> 0
  madvise = (address: number, length: number, advice: number) => this.raw.madvise(address, length, advice)
  verify = () => this.raw.heap_verify()
  lastError = () => this.raw.last_error()
  trapReason = () => this.raw.trap_reason()
  trapAddress = () => this.raw.trap_address() >>> 0

  /** The counters, stored at `out` on their way: 24 bytes that are not the heap's, or a block of it. */
  stats(out: number): Stats {
    this.raw.heap_stats(out)
    const [heap, inUse, mapped, free, peak, growths] = Array.from({ length: 6 }, (_, i) => this.u32(out + 4 * i))
    return { heap, inUse, mapped, free, peak, growths }
  }

  /** A view of memory that is valid until memory grows. */
  bytes(start: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, start, length)
  }
  u32(at: number): number {
    return new DataView(this.memory.buffer).getUint32(at, true)
  }
  setU32(at: number, value: number): void {
    new DataView(this.memory.buffer).setUint32(at, value, true)
  }
  /** A field of the heap's header. */
  field(name: string): number {
    return this.u32(this.base + offsetOf(name))
  }
  /** Bytes of memory. */
  get size(): number {
    return this.memory.buffer.byteLength
  }
  get pages(): number {
    return this.size / PAGE
  }
}

export interface Options {
  /** Pages of memory at the start and at most. */
  initial?: number
  maximum?: number
  /** Address where the heap begins. */
  base?: number
}

/** A heap in a memory of its own. The bytes below 1 KiB are the test's. */
export function createCore({ initial = 1, maximum = 0x10000, base = 1024 }: Options = {}): Core {
  return new Core(new WebAssembly.Memory({ initial, maximum }), base)
}

/** Calls f, which must be refused; returns the reason and the address that the heap notes. */
export function refusal(core: Core, f: () => unknown, what = 'the call'): { reason: number; address: number } {
  try {
    f()
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError) || !error.message.includes('unreachable')) throw error
    return { reason: core.trapReason(), address: core.trapAddress() }
  }
  throw new Error(`${what} was not refused`)
}

/** The seed of this run's random tests: the environment's SEED, or a new one. */
export const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))

export const hex = (n: number) => `0x${n.toString(16)}`
