// The package as it is published: packed, installed elsewhere, imported, type-checked, bundled.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { runInNewContext } from 'node:vm'
import { build } from 'esbuild'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = path.join(import.meta.dirname, '../..')
const TIMEOUT = 120_000
const program = `
import { createHeap, createHeapSync, HeapError } from 'granary'
for (const heap of [createHeapSync(), await createHeap()]) {
  const block = heap.malloc(8)
  heap.free(block)
  try {
    heap.free(block)
  } catch (error) {
    console.log(error instanceof HeapError, error.code)
  }
}`
const printed = 'true NOT_IN_USE\ntrue NOT_IN_USE\n'

let folder: string
const at = (name: string) => path.join(folder, name)
const run = (file: string, ...args: string[]) => execFileSync(file, args, { cwd: folder, encoding: 'utf8' })
const node = (...args: string[]) => run(process.execPath, ...args)
const npm = (...args: string[]) =>
  execFileSync('npm', [...args, '--no-fund', '--no-audit', '--prefer-offline', '--loglevel=error'], {
    cwd: folder,
    shell: process.platform === 'win32',
  })

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'granary-'))
  npm('pack', root, '--ignore-scripts')
  const [tarball] = readdirSync(folder)
  writeFileSync(at('package.json'), '{ "private": true, "type": "module" }')
  npm('install', `./${tarball}`)
}, TIMEOUT)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('holds what it needs and nothing else', () => {
  const list = (name: string) => readdirSync(at(`node_modules/granary/${name}`)).sort()
  expect(list('')).toEqual('LICENSE README.md assembly build dist docs embed examples package.json src'.split(' '))
  expect(list('build')).toContain('granary.wasm')
  expect(['embed', 'granary.wasm']).toEqual(expect.arrayContaining(list('build')))
  const compiled = readdirSync(path.join(root, 'src')).filter((name) => /^\w+\.ts$/.test(name))
  expect(list('dist')).toEqual(expect.arrayContaining(compiled.map((name) => name.replace('.ts', '.d.ts'))))
  expect(list('src')).toEqual(['wasm.d.ts'])
})

it('has what its README, docs and guides link to', () => {
  const docs = readdirSync(at('node_modules/granary/docs'), { recursive: true, encoding: 'utf8' })
  const pages = docs.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)
  expect(pages).toContain('docs/guides/c.md')
  for (const page of ['README.md', ...pages]) {
    const file = at(`node_modules/granary/${page}`)
    const links = [...readFileSync(file, 'utf8').matchAll(/\]\(([^)#]+)/g)].map(([, link]) => link)
    const dead = links.filter((link) => !existsSync(path.join(path.dirname(file), link)))
    expect(dead, page).toEqual([])
  }
})

it('names the same files to tools that read no exports, as Parcel and moduleResolution node10', () => {
  const { main, types, exports } = JSON.parse(readFileSync(at('node_modules/granary/package.json'), 'utf8'))
  expect({ types, default: main }).toEqual(exports['.'])
})

it('is imported by Node', () => {
  writeFileSync(at('main.js'), program)
  expect(node('main.js')).toBe(printed)
})

it('has a command that refuses an unknown option in one sentence, and knows its version', () => {
  const command = at('node_modules/granary/dist/cli/granary.js')
  const run = (option: string) => spawnSync(process.execPath, [command, option], { encoding: 'utf8' })
  expect(run('--colour')).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/^granary: Unknown option '--colour'\n\nusage: /),
  })
  const { version } = JSON.parse(readFileSync(at('node_modules/granary/package.json'), 'utf8'))
  expect(run('--version')).toMatchObject({ status: 0, stdout: `${version}\n` })
})

it('exports the module as a file, the same that is built in', () => {
  const file = `
import { readFileSync } from 'node:fs'
import { createHeap } from 'granary'
const bytes = readFileSync(new URL(import.meta.resolve('granary/wasm')))
const heaps = [await createHeap(), await createHeap({ module: bytes })]
const same = import.meta.resolve('granary/wasm') === import.meta.resolve('granary/granary.wasm')
console.log(...heaps.map((heap) => heap.malloc(100)), bytes.length, same)`
  writeFileSync(at('file.js'), file)
  const [first, second, length, same] = node('file.js')
    .trim()
    .split(' ')
    .map((word) => JSON.parse(word))
  expect(second).toBe(first)
  expect(length).toBe(readFileSync(path.join(root, 'build/granary.wasm')).length)
  expect(same).toBe(true) // by its ending, bundlers such as Cloudflare's know a module
})

it.each([
  ['NodeNext', 'NodeNext', 'DOM'],
  ['ESNext', 'Bundler', 'DOM'],
  ['ESNext', 'Bundler', 'WebWorker'], // which a reference to DOM from the package would contradict
])(
  'has types under module %s, resolution %s, with the library %s',
  (module, moduleResolution, library) => {
    writeFileSync(
      at('types.ts'),
      `import { createHeap, createHeapSync, type Heap, type HeapOptions, type HeapStats } from 'granary'
     import module from 'granary/granary.wasm'
     const options: HeapOptions = { initial: undefined, maximum: 4 as number | undefined }
     const heap: Heap = await createHeap(options)
     const stats: HeapStats = heap.stats()
     const view: Float64Array = heap.view(heap.malloc(8), Float64Array, 1)
     // @ts-expect-error: a size is a number
     heap.malloc('8')
     const compiled: Heap = createHeapSync({ module })
     export { stats, view, compiled }`,
    )
    const compilerOptions = {
      module,
      moduleResolution,
      target: 'ES2022',
      lib: ['ES2022', library],
      types: [],
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
    }
    writeFileSync(at('tsconfig.json'), JSON.stringify({ compilerOptions, files: ['types.ts'] }))
    expect(node(path.join(root, 'node_modules/typescript/bin/tsc'))).toBe('')
  },
  TIMEOUT,
)

/** The program in one file, without what is asynchronous. */
async function bundled(platform: 'browser' | 'node' | 'neutral', format: 'esm' | 'iife'): Promise<string> {
  const entry = {
    contents: program.replace(/ await createHeap\(\)/, ' createHeapSync()').replace('createHeap,', ''),
    resolveDir: folder,
  }
  // ES2020 has no top-level await.
  const options = { bundle: true, write: false, minify: true, target: 'es2020' } as const
  const { outputFiles, warnings } = await build({ stdin: entry, platform, format, ...options })
  expect(warnings).toEqual([])
  return outputFiles[0].text
}

it('runs among objects of another global, as in test runners', async () => {
  const lines: string[] = []
  const log = (...words: unknown[]) => lines.push(`${words.join(' ')}\n`)
  runInNewContext(await bundled('node', 'iife'), {
    ArrayBuffer,
    Uint8Array,
    Uint32Array,
    TextDecoder,
    atob,
    console: { log },
  })
  expect(lines.join('')).toBe(printed)
})

it.each(['browser', 'node', 'neutral'] as const)(
  'is bundled for platform %s without top-level await or files',
  async (platform) => {
    const text = await bundled(platform, 'esm')
    // With an external file or import.meta the bundle would not run from a data URL.
    expect(text).not.toMatch(/import\.meta|\bimport\b|\brequire\(/)
    writeFileSync(at('bundle.mjs'), text)
    expect(node('bundle.mjs')).toBe(printed)
  },
)

it('passes publint', async () => {
  const { messages, pkg } = await publint({ pkgDir: at('node_modules/granary'), strict: true, pack: false })
  expect(messages.map((message) => formatMessage(message, pkg ?? {}))).toEqual([])
})
