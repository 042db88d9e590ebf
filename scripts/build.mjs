// npm run build: assembly/ -> build/*.wasm, one for each target of asconfig.json -> src/generated/module.ts -> dist/
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { FEATURES, install, root, runTool } from './run.mjs'

const at = (...parts) => path.join(root, ...parts)
const { targets } = JSON.parse(readFileSync(at('asconfig.json'), 'utf8'))

// An interrupted build exits as one that fails: what it had begun to write is removed.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

/** Calls write with a temporary path and puts what it wrote in place at once: others may be reading the old file. */
function replace(file, write) {
  const temporary = at('build', `${path.basename(file)}.${process.pid}`)
  process.on('exit', () => rmSync(temporary, { recursive: true, force: true }))
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

const modified = (file) => statSync(at(file), { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Whether every module is newer than all it is made from. A folder's own time tells of files that were removed. */
function upToDate() {
  const sources = readdirSync(at('assembly'), { recursive: true }).map((name) => path.join('assembly', name))
  const others = ['assembly', 'asconfig.json', 'package-lock.json', 'scripts/build.mjs', 'scripts/run.mjs']
  const newest = Math.max(...[...others, ...sources].map(modified))
  return Object.values(targets).every(({ outFile }) => modified(outFile) > newest)
}

install()
mkdirSync(at('build'), { recursive: true })
if (upToDate()) console.log('build/*.wasm: newer than their sources')
else for (const [target, { outFile }] of Object.entries(targets)) buildModule(target, outFile)

/** Puts a module where the host imports it from. */
function embed(wasm, name) {
  const base64 = readFileSync(wasm).toString('base64')
  replace(at(`src/generated/${name}.ts`), (out) =>
    writeFileSync(out, `/** Made by scripts/build.mjs. */\nexport const base64: string =\n  '${base64}'\n`),
  )
}

mkdirSync(at('src/generated'), { recursive: true })
embed(at(targets.fast.outFile), 'module')
replace(at('build/batch.wasm'), (out) => runTool('binaryen/bin/wasm-as', 'src/batch.wat', '-o', out))
embed(at('build/batch.wasm'), 'batch')
replace(at('dist'), (out) => {
  const folder = path.relative(root, out)
  runTool('typescript/bin/tsc', '-p', 'src', '--outDir', folder)
  runTool('typescript/bin/tsc', '-p', 'cli', '--outDir', path.join(folder, 'cli'))
  rmSync(at('dist'), { recursive: true, force: true })
})
