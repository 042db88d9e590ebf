// Runs one program in a fresh process: node measure.mjs wasi|emscripten|assemblyscript FILE. What the program prints goes to stdout;
// the last line is { time, memory }: CPU time of the run in ms, compiled beforehand, and the bytes of its memory at the end.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setFlagsFromString } from 'node:v8'
import { WASI } from 'node:wasi'

setFlagsFromString('--no-turbo-fast-api-calls') // for the reason that examples/wasi.mjs gives
const [kind, file] = process.argv.slice(2)

async function prepare() {
  if (kind === 'emscripten') {
    // Emscripten 3.1.6 takes a Node with fetch for a browser.
    delete globalThis.fetch
    const program = await createRequire(import.meta.url)(file)({ noInitialRun: true })
    return { run: () => program.callMain([]), memory: () => program.HEAPU8.length }
  }
  const module = new WebAssembly.Module(readFileSync(file))
  const wasi = new WASI({ version: 'preview1', args: [file], returnOnExit: true })
  const imports = { ...wasi.getImportObject(), env: { abort: () => {} } }
  const { exports } = new WebAssembly.Instance(module, imports)
  const memory = () => exports.memory.buffer.byteLength
  if (kind === 'wasi') return { run: () => wasi.start({ exports }), memory }
  return { run: () => console.log(exports.work()), memory }
}

const { run, memory } = await prepare()
const before = process.cpuUsage()
run()
const { user, system } = process.cpuUsage(before)
console.log(JSON.stringify({ time: (user + system) / 1000, memory: memory() }))
