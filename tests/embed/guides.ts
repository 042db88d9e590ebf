// Each guide is a test: its commands are run in the order of the page, and the last of them must print what the page says.

import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { equal, exampleFolder, root, shell, type Test } from './harness.ts'

interface Block {
  language: string
  text: string
}

/** The fenced blocks of a guide. */
function blocksOf(page: string): Block[] {
  return [...page.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({ language, text }))
}

const folder = path.join(root, 'docs/guides')

/** The guides' names, which are the examples' too. */
const guides = readdirSync(folder)
  .filter((file) => file.endsWith('.md'))
  .map((file) => path.basename(file, '.md'))

const readGuide = (name: string) => readFileSync(path.join(folder, `${name}.md`), 'utf8')

export const guideTests: Test[] = guides.map((name) => ({
  name: `guide ${name}`,
  run: () => {
    const blocks = blocksOf(readGuide(name))
    const commands = blocks.filter((block) => block.language === 'sh').map((block) => block.text)
    const expected = blocks.find((block) => block.language === 'text')?.text
    if (commands.length === 0 || expected === undefined) throw new Error('the page has no commands or no result')
    const work = exampleFolder(name)
    let printed = ''
    for (const block of commands) printed = shell(block, work)
    equal(printed.slice(-expected.length), expected, 'the last commands print')
    return undefined
  },
}))
