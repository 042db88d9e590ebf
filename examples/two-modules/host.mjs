// One memory, one heap, two modules: what one allocates, the other may free.
import { readFile } from 'node:fs/promises'

// Each module has its stack and data in a part of its own; the heap begins behind them.
const heapBase = 192 * 1024
const memory = new WebAssembly.Memory({ initial: 3 })
const load = async (url, env) => (await WebAssembly.instantiate(await readFile(url), { env })).instance.exports

const wasm = new URL(import.meta.resolve('granary/wasm'))
const heap = await load(wasm, { memory, __heap_base: new WebAssembly.Global({ value: 'i32' }, heapBase) })
const { greet } = await load('greet.wasm', { memory, ...heap })
const { shout } = await load('shout.wasm', { memory, ...heap })

const name = new TextEncoder().encode('granary\0')
const address = heap.malloc(name.length)
new Uint8Array(memory.buffer, address, name.length).set(name)

const text = shout(greet(address))
const bytes = new Uint8Array(memory.buffer)
console.log(new TextDecoder().decode(bytes.subarray(text, bytes.indexOf(0, text))))
heap.free(text)
heap.free(address)
console.log('the heap is', heap.heap_verify() === 0 ? 'sound' : 'damaged')
