// Runs build/…/work.wasm in whatever engine runs this file: engine.mjs FILE
import { readFileSync } from 'node:fs'
import process from 'node:process'

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]))
instance.exports._initialize()
console.log(instance.exports.work())
