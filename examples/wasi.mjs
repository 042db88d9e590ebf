// Runs a WASI program under Node: node wasi.mjs program.wasm [arguments]
import { readFile } from 'node:fs/promises'
import { WASI } from 'node:wasi'

const [program, ...args] = process.argv.slice(2)
const wasi = new WASI({ version: 'preview1', args: [program, ...args], env: process.env, preopens: { '.': '.' } })
const { instance } = await WebAssembly.instantiate(await readFile(program), wasi.getImportObject())
process.exitCode = wasi.start(instance)
