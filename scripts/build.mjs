// npm run build: assembly/ -> build/*.wasm, one for each target of asconfig.json -> src/generated/module.ts -> dist/
// What is newer than its sources is left as it is, so that a finished build can be used where nothing can be written.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { FEATURES, install, root, runTool } from './run.mjs'

const at = (...parts) => path.join(root, ...parts)
const { targets } = JSON.parse(readFileSync(at('asconfig.json'), 'utf8'))
const core = targets.fast.outFile

// An interrupted build exits as one that fails: what it had begun to write is removed.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

/** Calls write with a temporary path and puts what it wrote in place at once: others may be reading the old file. */
function replace(file, write) {
  const temporary = at('build', `${path.basename(file)}.${process.pid}`)
  process.on('exit', () => rmSync(temporary, { recursive: true, force: true }))
  mkdirSync(at('build'), { recursive: true })
  write(temporary)
  renameSync(temporary, file)
}

function buildModule(target, file) {
  console.log(`${target}: ${file}`)
  const started = new Date()
  replace(at(file), (out) => {
    runTool(
      'assemblyscript/bin/asc.js',
      '--config',
      'asconfig.json',
      '--target',
      target,
      '--outFile',
      path.relative(root, out),
    )
    runTool('binaryen/bin/wasm-opt', '-O3', ...FEATURES, out, '-o', out)
    utimesSync(out, started, started) // a source saved meanwhile is newer
  })
}

/** Puts a module where the host imports it from. */
function embed(wasm, name) {
  const base64 = readFileSync(at(wasm)).toString('base64')
  replace(at(`src/generated/${name}.ts`), (out) =>
    writeFileSync(out, `/** Made by scripts/build.mjs. */\nexport const base64: string =\n  '${base64}'\n`),
  )
}

function buildHost() {
  mkdirSync(at('src/generated'), { recursive: true })
  const started = new Date()
  embed(core, 'module')
  replace(at('build/batch.wasm'), (out) => runTool('binaryen/bin/wasm-as', 'src/batch.wat', '-o', out))
  embed('build/batch.wasm', 'batch')
  replace(at('dist'), (out) => {
    const folder = path.relative(root, out)
    runTool('typescript/bin/tsc', '-p', 'src', '--outDir', folder)
    runTool('typescript/bin/tsc', '-p', 'cli', '--outDir', path.join(folder, 'cli'))
    utimesSync(out, started, started)
    rmSync(at('dist'), { recursive: true, force: true })
  })
}

const modified = (file) => statSync(at(file), { throwIfNoEntry: false })?.mtimeMs ?? 0

/** What is in a folder, and the folder, whose own time tells of files that were removed. */
function within(folder) {
  return [folder, ...readdirSync(at(folder), { recursive: true }).map((name) => path.join(folder, name))]
}

/** Whether all that is made is newer than all it is made from. */
function upToDate(made, sources) {
  const newest = Math.max(...[...sources, 'package-lock.json', 'scripts/build.mjs', 'scripts/run.mjs'].map(modified))
  return made.every((file) => modified(file) > newest)
}

install()
const modules = Object.values(targets).map(({ outFile }) => outFile)
if (upToDate(modules, ['asconfig.json', ...within('assembly')])) console.log('build/*.wasm: newer than their sources')
else for (const [target, { outFile }] of Object.entries(targets)) buildModule(target, outFile)

const host = ['src/generated/module.ts', 'build/batch.wasm', 'src/generated/batch.ts', 'dist']
const written = within('src').filter((file) => !file.includes('generated'))
if (upToDate(host, [core, 'tsconfig.json', ...written, ...within('cli')])) console.log('dist/: newer than its sources')
else buildHost()
