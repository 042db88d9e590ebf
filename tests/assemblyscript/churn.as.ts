// Objects of AssemblyScript's collector and blocks of malloc and its kin in one heap, each filled with a byte of its own.
import { aligned_alloc, calloc, free, heap_verify, malloc, malloc_usable_size, realloc } from '../../assembly/index'

const LIVE = 400
const objects = new Array<StaticArray<u8>>(LIVE)
const blocks = new StaticArray<usize>(LIVE)
const sizes = new StaticArray<usize>(LIVE)
let state: u32

function random(n: u32): u32 {
  state = state * 1664525 + 1013904223
  return (state >>> 8) % n
}
/** Mostly small, at times beyond what spans hold. */
function randomSize(): u32 {
  return random(8) ? random(300) : random(3000)
}
function isFilled(p: usize, n: usize, value: u8): bool {
  for (let i: usize = 0; i < n; i++) if (load<u8>(p + i) != value) return false
  return true
}

/** What is wrong with object or block number i, or 0. */
function check(i: i32): i32 {
  const object = objects[i]
  if (changetype<usize>(object) & 15) return 1
  // What the collector reads as the block's size, with the 16 bytes that it needs itself.
  if ((load<usize>(changetype<usize>(object) - 20) & ~3) < <usize>object.length + 16) return 10
  if (!isFilled(changetype<usize>(object), object.length, <u8>i)) return 2
  if (blocks[i] & 15 || malloc_usable_size(blocks[i]) < sizes[i]) return 3
  return isFilled(blocks[i], sizes[i], <u8>~i) ? 0 : 4
}

function replaceObject(i: i32): void {
  const object = new StaticArray<u8>(randomSize())
  memory.fill(changetype<usize>(object), <u8>i, object.length)
  objects[i] = object
}

/** Gives block number i another size, in one of the ways that there are. What is wrong, or 0. */
function replaceBlock(i: i32): i32 {
  const size: usize = randomSize() + 1,
    kind = random(4)
  let p = blocks[i]
  if (kind == 0) {
    p = realloc(p, size)
    if (!isFilled(p, min(size, sizes[i]), <u8>~i)) return 5
  } else {
    free(p)
    p = kind == 1 ? malloc(size) : kind == 2 ? calloc(1, size) : aligned_alloc(64, size)
    if (kind == 2 && !isFilled(p, size, 0)) return 6
    if (kind == 3 && p & 63) return 7
  }
  memory.fill(p, <u8>~i, size)
  blocks[i] = p
  sizes[i] = size
  return 0
}

/** Replaces objects and blocks at random. What is wrong, or 0. */
export function churn(seed: u32, rounds: i32): i32 {
  state = seed
  for (let i = 0; i < LIVE; i++) {
    replaceObject(i)
    blocks[i] = malloc(1)
    store<u8>(blocks[i], <u8>~i)
    sizes[i] = 1
  }
  for (let round = 0; round < rounds; round++) {
    const i = <i32>random(LIVE)
    let wrong = check(i)
    if (!wrong) wrong = replaceBlock(i)
    if (wrong) return wrong
    replaceObject(i)
    if (random(100) == 0 && heap_verify()) return 8
  }
  for (let i = 0; i < LIVE; i++) {
    const wrong = check(i)
    if (wrong) return wrong
  }
  __collect()
  return heap_verify() ? 9 : 0
}

/** Keeps a list of strings and of numbers, as programs do. */
export function keep(count: i32): i32 {
  const words: string[] = []
  const numbers: i32[] = []
  for (let i = 0; i < count; i++) {
    words.push(`word ${i}`)
    numbers.push(i)
  }
  return words.length + numbers.length
}

/** Takes all memory in large blocks and the unused spans, frees every other large block, and asks for a small one, for which no span
 *  can be made. */
export function starve(): usize {
  let last: usize = 0,
    odd = false
  for (let p = malloc(300); p; p = malloc(300)) {
    store<usize>(p, last)
    last = p
  }
  while (malloc(100)) {}
  while (last) {
    const before = load<usize>(last)
    if (odd && last & 1023) free(last) // no run, whose spans might serve
    odd = !odd
    last = before
  }
  return malloc(250)
}

/** What AssemblyScript's own heap does not free. What is wrong, or 0. */
export function statics(): i32 {
  const data = memory.data<u8>([1, 2, 3, 4, 5, 6, 7, 8])
  heap.free(0)
  heap.free(data)
  const word = 'granary'
  const moved = heap.realloc(changetype<usize>(word), 1000)
  heap.free(changetype<usize>(word))
  if (load<u16>(moved) != 0x67 || word != 'granary') return 1
  heap.free(moved)
  return heap_verify()
}
