// Runs a WASI program under Node: node wasi.mjs program.wasm [arguments]
import { readFile } from 'node:fs/promises'
import { setFlagsFromString } from 'node:v8'
import { WASI } from 'node:wasi'

// Node 20 and 22 may collect garbage inside a fast call from WebAssembly to their WASI, and crash (nodejs/node#46777): when the memory
// has grown by much before the program prints, say. Node 24 makes no such calls.
setFlagsFromString('--no-turbo-fast-api-calls')

const [program, ...args] = process.argv.slice(2)
const wasi = new WASI({ version: 'preview1', args: [program, ...args], env: process.env, preopens: { '.': '.' } })
const { instance } = await WebAssembly.instantiate(await readFile(program), wasi.getImportObject())
process.exitCode = wasi.start(instance)
