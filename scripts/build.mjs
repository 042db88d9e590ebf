// npm run build: assembly/ -> build/*.wasm, one for each target of asconfig.json -> src/generated/module.ts -> dist/
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { install, root, runTool } from './run.mjs'

// Nothing in the core needs more, and every engine since 2021 has these.
const FEATURES = ['--enable-bulk-memory', '--enable-bulk-memory-opt', '--enable-mutable-globals', '--enable-sign-ext']

const at = (...parts) => path.join(root, ...parts)
const { targets } = JSON.parse(readFileSync(at('asconfig.json'), 'utf8'))

/** Calls write with a temporary path and puts what it wrote in place at once: others may be reading the old file. */
function replace(file, write) {
  const temporary = `${file}.${process.pid}`
  process.on('exit', () => rmSync(temporary, { force: true }))
  write(temporary)
  renameSync(temporary, file)
}

function buildModule(target, file) {
  console.log(`${target}: ${file}`)
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
  })
}

const modified = (file) => statSync(at(file), { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Whether every module is newer than all it is made from. A folder's own time tells of files that were removed. */
function upToDate() {
  const sources = readdirSync(at('assembly'), { recursive: true }).map((name) => path.join('assembly', name))
  const newest = Math.max(
    ...['assembly', 'asconfig.json', 'package-lock.json', 'scripts/build.mjs', ...sources].map(modified),
  )
  return Object.values(targets).every(({ outFile }) => modified(outFile) > newest)
}

install()
mkdirSync(at('build'), { recursive: true })
if (upToDate()) console.log('build/*.wasm: newer than their sources')
else for (const [target, { outFile }] of Object.entries(targets)) buildModule(target, outFile)

const base64 = readFileSync(at(targets.fast.outFile)).toString('base64')
mkdirSync(at('src/generated'), { recursive: true })
replace(at('src/generated/module.ts'), (out) =>
  writeFileSync(
    out,
    `/** ${targets.fast.outFile}, made by scripts/build.mjs. */\nexport const base64: string =\n  '${base64}'\n`,
  ),
)
rmSync(at('dist'), { recursive: true, force: true })
for (const project of ['src', 'cli']) runTool('typescript/bin/tsc', '-p', project)
