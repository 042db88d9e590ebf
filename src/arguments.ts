// Checks of arguments. Without them JavaScript passes anything to Wasm as some integer: 1.5 as 1, NaN as 0, 2^32 as 0.

/** Throws, naming the argument, if `value` is not an integer from `from` to `to`. */
export function assertInteger(name: string, value: number, from: number, to: number): void {
  if (typeof value !== 'number')
    throw new TypeError(`${name} must be a number, not ${value === null ? 'null' : typeof value}`)
  if (!Number.isInteger(value) || value < from || value > to) {
    throw new RangeError(`${name} must be an integer from ${from} to ${to}, not ${value}`)
  }
}

/** Throws if `value` is no address. */
export function assertAddress(name: string, value: number): void {
  if (typeof value !== 'number' || value >>> 0 !== value) assertInteger(name, value, 0, 0xffffffff)
}

/** Whether `value` is a size that 32 bits hold: there is no memory for others. Throws if it is no size at all. */
export function isSize(name: string, value: number): boolean {
  if (typeof value === 'number' && value >>> 0 === value) return true
  assertInteger(name, value, 0, Number.MAX_SAFE_INTEGER)
  return false
}

/** The size, or the largest that 32 bits hold for those they do not: there is no memory for either. */
export function toSize(name: string, value: number): number {
  return isSize(name, value) ? value : 0xffffffff
}

/** The name of an object's class. Unlike `instanceof`, it also knows objects of other globals, as in frames and test runners. */
export function classOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1)
}

/** Throws, naming the argument, if `value` is no Uint32Array or is detached. Its elements need no check. */
export function assertUint32Array(name: string, value: Uint32Array): void {
  if (classOf(value) !== 'Uint32Array') throw new TypeError(`${name} must be a Uint32Array`)
  if (value.length) return
  try {
    new Uint8Array(value.buffer)
  } catch {
    throw new TypeError(`${name} is detached: transferred, or a view of a memory that has grown`)
  }
}
