// npm run bench:embed: builds and runs every program with both allocators in turn and writes the tables of docs/embedding.md.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { hundredths, table, withInterval } from '../../bench/lab/markdown.ts'
import { refuseArguments, run } from '../../scripts/run.mjs'
import { root, tools } from './harness.ts'
import { compare, programs } from './programs.ts'
import { measureSizes } from './sizes.ts'

refuseArguments(`npm run bench:embed

Builds and runs every program with both allocators in turn, and writes the tables of docs/embedding.md.`)

if (!existsSync(path.join(tools, 'sources/vendor'))) {
  console.error('The sources of the programs are missing: run npm run setup:embed first')
  process.exit(1)
}

const REPETITIONS = 25

run('npm', ['run', '--silent', 'build:embed'])

const programRows = programs.map((program) => {
  const { time, memory } = compare(program, REPETITIONS)
  const { name, toolchain, rival } = program
  console.log(`${name}, ${toolchain}: time ${withInterval(time)}, memory ${hundredths(memory)}`)
  return [name, toolchain, rival, withInterval(time), hundredths(memory)]
})
const sizeRows = measureSizes().map(({ names, bytes }) => [
  names.map((name) => `\`${name}\``).join(', '),
  String(bytes),
])

const tables: Record<string, string> = {
  programs: `${table(['program', 'toolchain', 'instead of', 'time', 'memory'], programRows, 'lllrr')}

Node ${process.versions.node}, ${REPETITIONS} runs of each version in turn.`,
  sizes: table(['functions', 'bytes'], sizeRows),
}

const file = path.join(root, 'docs/embedding.md')
let page = readFileSync(file, 'utf8')
for (const [name, content] of Object.entries(tables)) {
  const marked = new RegExp(`(<!-- ${name} -->)[^]*?(<!-- end -->)`)
  if (!marked.test(page)) throw new Error(`docs/embedding.md has no place for the table of ${name}`)
  page = page.replace(marked, (_, start, end) => `${start}\n\n${content}\n\n${end}`)
}
writeFileSync(file, page)
