// Allocation traces in the MTRC format (docs/traces.md): the calls of malloc and its kin that a program made, with sizes
// and order but neither addresses nor data.
import { gunzipSync } from 'node:zlib'

export const Kind = { malloc: 0, free: 1, realloc: 2, calloc: 3, aligned: 4 } as const
const kindNames = ['malloc', 'free', 'realloc', 'calloc', 'aligned allocation']

const MAGIC = 0x4352544d // "MTRC"
const VERSION = 1
const HEADER_WORDS = 8
const MAX_SLOTS = 1 << 24

/** A valid trace: no operation contradicts those before it. */
export interface Trace {
  name: string
  /** Two words an operation: slot | log2 of the alignment << 24 | kind << 28, then the size in bytes (0 for free). */
  words: Uint32Array
  operations: number
  /** Live blocks are numbered below this. */
  slots: number
  /** Recorded from a program whose pointers are 32 bits wide. */
  pointers32: boolean
  /** The largest sum of the sizes of all live blocks, in bytes, and the first operation after which it is reached. */
  peak: number
  peakAt: number
  /** The largest size asked for. */
  largest: number
}

/** Why a file is not a trace that can be replayed, in words for the person who gave it. */
export class TraceError extends Error {
  override name = 'TraceError'
}

export const slotOf = (word: number): number => word & 0xffffff
export const kindOf = (word: number): number => word >>> 28
export const alignmentLog2Of = (word: number): number => (word >>> 24) & 15

/** What an operation asks for, for messages. */
export function describe(trace: Pick<Trace, 'words'>, operation: number): string {
  const kind = kindOf(trace.words[2 * operation])
  const size = kind === Kind.free ? '' : ` of ${trace.words[2 * operation + 1]} bytes`
  return `operation ${operation} (${kindNames[kind]}${size})`
}

/** Reads an MTRC file, gzip-compressed or not. Throws a TraceError that says what is wrong with it. */
export function parseTrace(file: Uint8Array, name: string): Trace {
  const bytes = isGzip(file) ? gunzip(file, name) : file
  if (!bytes.length) throw new TraceError(`${name}: is empty`)
  const header = littleEndianWords(bytes.subarray(0, 4 * HEADER_WORDS))
  const [magic, version, operations, slots, peak, flags] = header
  if (magic !== MAGIC)
    throw new TraceError(
      `${name}: not an allocation trace (it does not begin with "MTRC", and of what is compressed only gzip is read)`,
    )
  if (header.length < HEADER_WORDS)
    throw new TraceError(
      `${name}: ${bytes.length} bytes are too few for a trace, whose header alone has ${4 * HEADER_WORDS}`,
    )
  if (version !== VERSION)
    throw new TraceError(`${name}: version ${version} of the format, but only ${VERSION} is known`)
  const expected = 4 * HEADER_WORDS + 8 * operations
  if (bytes.length !== expected) {
    const fault = bytes.length < expected ? 'truncated' : 'longer than it says'
    throw new TraceError(
      `${name}: ${fault}: its header announces ${operations} operations in ${expected} bytes, but there are ${bytes.length}`,
    )
  }
  if (flags > 1 || header[6] || header[7])
    throw new TraceError(`${name}: the header has flags that version 1 does not know`)
  const trace = toTrace(name, littleEndianWords(bytes.subarray(4 * HEADER_WORDS)), slots, (flags & 1) === 1)
  if (trace.peak !== peak)
    throw new TraceError(`${name}: the header says that ${peak} bytes are live at the peak, but it is ${trace.peak}`)
  return trace
}

/** The trace as an MTRC file, not compressed. */
export function formatTrace(trace: Trace): Uint8Array {
  const file = new Uint8Array(4 * HEADER_WORDS + 8 * trace.operations)
  const view = new DataView(file.buffer)
  const header = [MAGIC, VERSION, trace.operations, trace.slots, trace.peak, trace.pointers32 ? 1 : 0, 0, 0]
  header.forEach((word, i) => {
    view.setUint32(4 * i, word, true)
  })
  trace.words.forEach((word, i) => {
    view.setUint32(4 * (HEADER_WORDS + i), word, true)
  })
  return file
}

/** Makes a trace of its operations. Throws a TraceError for the first one that contradicts those before it. */
export function toTrace(name: string, words: Uint32Array, slots: number, pointers32: boolean): Trace {
  const operations = words.length / 2
  if (operations === 0) throw new TraceError(`${name}: holds no operations`)
  if (slots > MAX_SLOTS) throw new TraceError(`${name}: ${slots} slots, but the format has numbers for ${MAX_SLOTS}`)
  const trace: Trace = { name, words, operations, slots, pointers32, peak: 0, peakAt: 0, largest: 0 }
  const fail = (i: number, reason: string) => new TraceError(`${name}: ${describe(trace, i)}: ${reason}`)
  const sizes = new Uint32Array(slots)
  let live = 0
  for (let i = 0; i < operations; i++) {
    const word = words[2 * i]
    const size = words[2 * i + 1]
    const slot = slotOf(word)
    const kind = kindOf(word)
    if (kind >= kindNames.length) throw new TraceError(`${name}: operation ${i}: unknown kind ${kind}`)
    if (slot >= slots) throw fail(i, `slot ${slot} is not below the ${slots} that the header announces`)
    if (kind !== Kind.aligned && alignmentLog2Of(word)) throw fail(i, 'only an aligned allocation has an alignment')
    const needsBlock = kind === Kind.free || kind === Kind.realloc
    if (needsBlock && !sizes[slot]) throw fail(i, `slot ${slot} holds no block`)
    if (!needsBlock && sizes[slot]) throw fail(i, `slot ${slot} still holds a block of ${sizes[slot]} bytes`)
    if (kind === Kind.free ? size : !size)
      throw fail(i, kind === Kind.free ? 'a free has no size' : 'size 0 cannot be replayed')
    live += size - sizes[slot]
    sizes[slot] = size
    if (live > trace.peak) {
      trace.peak = live
      trace.peakAt = i
    }
    if (size > trace.largest) trace.largest = size
  }
  if (trace.peak > 0xffffffff)
    throw new TraceError(`${name}: ${trace.peak} bytes are live at once, more than 32 bits address`)
  return trace
}

function isGzip(file: Uint8Array): boolean {
  return file[0] === 0x1f && file[1] === 0x8b
}

function gunzip(file: Uint8Array, name: string): Uint8Array {
  try {
    return gunzipSync(file)
  } catch (error) {
    throw new TraceError(`${name}: cannot be decompressed: ${(error as Error).message}`)
  }
}

function littleEndianWords(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true))
}
