// npm run test:embed [-- words]: every toolchain's guide, the linker, conflicts, sizes, real programs and engines. Words pick tests by name.

import { run } from '../../scripts/run.mjs'
import { conflictTests } from './conflicts.ts'
import { engineTests } from './engines.ts'
import { guideTests } from './guides.ts'
import { linkTests } from './link.ts'
import { newestTests } from './newest.ts'
import { programTests } from './programs.ts'
import { rustTests } from './rust.ts'
import { sizeTests } from './sizes.ts'

const words = process.argv.slice(2)
const all = [
  ...guideTests,
  ...newestTests,
  ...linkTests,
  ...conflictTests,
  ...rustTests,
  ...sizeTests,
  ...programTests,
  ...engineTests,
]
const names = all.map(({ name }) => `  ${name}`).join('\n')
if (words.includes('--help') || words.includes('-h')) {
  console.log(`npm run test:embed -- [WORD …]\n\nRuns the tests with all of the words in their names:\n${names}`)
  process.exit()
}
const chosen = all.filter(({ name }) => words.every((word) => name.includes(word)))
if (chosen.length === 0) {
  console.error(`no test has all of these in its name: ${words.join(', ')}; there are\n${names}`)
  process.exit(1)
}

run('npm', ['run', '--silent', 'build:embed'], { stdio: ['ignore', 2, 2] })

let passed = 0
for (const { name, run } of chosen) {
  try {
    const remark = await run()
    passed++
    console.log(`passed  ${name}${typeof remark === 'string' ? `: ${remark}` : ''}`)
  } catch (error) {
    console.log(`FAILED  ${name}: ${error instanceof Error ? error.message.replaceAll('\n', '\n        ') : error}`)
  }
}
console.log(`${passed} passed, ${chosen.length - passed} failed`)
if (passed < chosen.length) process.exitCode = 1
