// npm run lint: checks lint rules and formatting everywhere, and the order of imports but for AssemblyScript. --write mends what it can.
//
// Biome's parser refuses AssemblyScript's decorators on functions and has no option for them. So it gets copies of those
// files in which the decorators are comments.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { install, root } from './run.mjs'

install()
const flags = process.argv.slice(2)
const biome = path.join(root, 'node_modules/@biomejs/biome/bin/biome')
const config = JSON.parse(readFileSync(path.join(root, 'biome.json'), 'utf8'))

function check(folder) {
  const args = [biome, 'check', '--error-on-warnings', '--max-diagnostics=none', ...flags, '.']
  return spawnSync(process.execPath, args, { cwd: folder, stdio: 'inherit' }).status === 0
}

const toComment = (text) => text.replace(/^( *)(@\w+(?:\(.*?\))?)(?= |$)/gm, '$1/*$2*/')
const toDecorator = (text) => text.replace(/^( *)\/\*(@.*?)\*\//gm, '$1$2')

function checkAssemblyScript() {
  const folder = mkdtempSync(path.join(tmpdir(), 'lint-'))
  // What is the same already keeps its time, by which the build knows what is new.
  const copy = (from, to, change) => {
    const text = change(readFileSync(from, 'utf8'))
    if (!existsSync(to) || readFileSync(to, 'utf8') !== text) writeFileSync(to, text)
  }
  try {
    const list = ['ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate', 'assembly/*.ts', '*.as.ts']
    const listed = execFileSync('git', list, { cwd: root, encoding: 'utf8' })
    const sources = listed.split('\n').filter((file) => file && existsSync(path.join(root, file)))
    for (const file of sources) {
      mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
      copy(path.join(root, file), path.join(folder, file), toComment)
    }
    // There is one kind of equality, integers have 64 bits, the C functions have all of C's parameters, and editors need a
    // comment above each decorator.
    const suspicious = { ...config.linter.rules.suspicious, noDoubleEquals: 'off', noTsIgnore: 'off' }
    const rules = {
      suspicious,
      correctness: { noPrecisionLoss: 'off', noUnusedFunctionParameters: 'off' },
      style: { useConst: 'off', useImportType: 'off' },
    }
    const off = { vcs: {}, files: {}, assist: { enabled: false }, json: { formatter: { enabled: false } } }
    const assemblyScript = { ...config, ...off, linter: { rules } }
    writeFileSync(path.join(folder, 'biome.json'), JSON.stringify(assemblyScript))
    const sound = check(folder)
    if (flags.includes('--write'))
      for (const file of sources) copy(path.join(folder, file), path.join(root, file), toDecorator)
    return sound
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const results = [check(root), checkAssemblyScript()]
if (results.includes(false)) process.exit(1)
