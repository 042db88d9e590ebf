// How calls fail. The numbers are the core's (assembly/error.ts), the sentences are said here only.
import type { HeapExports } from './exports.ts'

/**
 * Why a call failed. Either no block in use begins at the pointer: it is `OUTSIDE` the heap, `MISALIGNED`, `NOT_IN_USE` (freed
 * before, or never allocated), `NOT_A_BLOCK` (inside a block, or freed before and joined with a free neighbour) or `IS_MAPPED`.
 * Or the heap's own tables are `CORRUPT`. The others are POSIX's: `ENOMEM`, no memory or no room; `EFAULT`, a range that is not
 * mapped; `EINVAL`, a range that cannot be.
 */
export type HeapErrorCode =
  | 'OUTSIDE'
  | 'MISALIGNED'
  | 'NOT_IN_USE'
  | 'NOT_A_BLOCK'
  | 'IS_MAPPED'
  | 'CORRUPT'
  | 'ENOMEM'
  | 'EFAULT'
  | 'EINVAL'

/** A name for programs and a sentence for people. */
interface Sentence {
  code: HeapErrorCode
  /** `address` is empty if the call is about none. */
  text: (address: string) => string
}

/** The number of the reason OUTSIDE, and of the errnos. */
const OUTSIDE = 1
export const ENOMEM = 12
const EFAULT = 14
const EINVAL = 22

/** Why the core refuses a call, by number. */
export const reasons: Record<number, Sentence> = {
  [OUTSIDE]: { code: 'OUTSIDE', text: (address) => `${address} is not in the heap` },
  2: { code: 'MISALIGNED', text: (address) => `${address} is no block's address: those are multiples of 16` },
  3: {
    code: 'NOT_IN_USE',
    text: (address) => `the block at ${address} is not in use: freed before, or never allocated`,
  },
  4: {
    code: 'NOT_A_BLOCK',
    text: (address) => `no block begins at ${address}: inside another, or freed before and joined`,
  },
  5: { code: 'IS_MAPPED', text: (address) => `${address} belongs to a mapping, which only munmap gives back` },
  6: {
    code: 'CORRUPT',
    text: (address) =>
      `the heap's own tables were written to: they do not know the free block that begins or ends at ${address}`,
  },
}

/** The errno numbers that the calls of a Heap fail with. */
export const errnos: Record<number, Sentence> = {
  [ENOMEM]: { code: 'ENOMEM', text: () => 'there is no memory for it' },
  [EFAULT]: { code: 'EFAULT', text: (address) => `not all pages of the range at ${address} are mapped` },
  [EINVAL]: { code: 'EINVAL', text: () => 'length is 0' },
}

const PAGE = 65536
// As in assembly/layout.ts.
const BREAK_MAX = 0xffff0000

/** The same for the pages from `address` on. The lengths have the names of their arguments. */
export function errnosOfRange(address: number, lengths: Record<string, number>): Record<number, Sentence> {
  const named = Object.entries(lengths)
  const text = (at: string) => {
    if (address % PAGE) return `${at} is not a multiple of 65,536`
    for (const [name, length] of named) if (length === 0) return `${name} is 0`
    return named.some(([, length]) => address + length > BREAK_MAX)
      ? `the range at ${at} ends past 0x${BREAK_MAX.toString(16)}, up to where memory can be mapped`
      : `the range at ${at} holds memory that is in use and not mapped`
  }
  return { ...errnos, [EINVAL]: { code: 'EINVAL', text } }
}

/** The same where a mapping must stay where it is. */
export function errnosInPlace(sentences: Record<number, Sentence>): Record<number, Sentence> {
  return { ...sentences, [ENOMEM]: { code: 'ENOMEM', text: () => 'there is no room after it, and it may not move' } }
}

/** The same where the break is lowered. */
export const errnosOfLowering: Record<number, Sentence> = {
  [ENOMEM]: {
    code: 'ENOMEM',
    text: () => 'this cannot give back more than it took since something else last grew the heap',
  },
}

export interface HeapErrorOptions {
  code: HeapError['code']
  address?: number | undefined
  cause?: unknown
}

/**
 * A call that was refused or could not be served. Unless its code is `CORRUPT`, it has changed nothing (but see freeMany), and
 * the heap can be used further.
 */
export class HeapError extends Error {
  override readonly name = 'HeapError'
  /** A number, as a string, if the module is not the one built in and has other reasons, or if the heap's own data were overwritten. */
  readonly code: HeapErrorCode | `${number}`
  /** The address that the call is about, if it is about one. */
  readonly address: number | undefined

  /** `message` says which call failed and why. */
  constructor(message: string, { code, address, cause }: HeapErrorOptions) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.address = address
  }
}

/** The error of a call that failed with a number, which the sentences explain. */
export function failure(
  call: string,
  number: number,
  sentences: Record<number, Sentence>,
  address?: number,
  cause?: unknown,
): HeapError {
  const { code, text } = sentences[number] ?? { code: `${number}` as const, text: () => `failed with ${number}` }
  const at = address === undefined ? undefined : address >>> 0 // it may be -0
  return new HeapError(`${call}: ${text(at === undefined ? '' : `0x${at.toString(16)}`)}`, { code, address: at, cause })
}

/** The trap of a refused call as a HeapError; anything else as it is. */
export function asHeapError(exports: HeapExports, call: string, error: unknown, pointer?: number): unknown {
  // Every refusal is an `unreachable`, a word that all engines have in their message. No other trap is asked for its reason: the
  // heap may still have that of an earlier refusal, or of another instance's.
  if (!(error instanceof WebAssembly.RuntimeError) || !/unreachable/i.test(error.message)) return error
  const reason = exports.trap_reason()
  if (reason) return failure(call, reason, reasons, exports.trap_address(), error)
  // Where no heap could begin, there is no place for a reason.
  return pointer === undefined ? error : failure(call, OUTSIDE, reasons, pointer, error)
}
