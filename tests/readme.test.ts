// The README's example is a program that prints what its comments say.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.join(import.meta.dirname, '..')
const readme = readFileSync(path.join(root, 'README.md'), 'utf8')

test('the example of a heap prints what it says', () => {
  const [, code] = readme.match(/<!-- example: heap -->\s*```js\n(.*?)```/s) ?? []
  const said = [...code.matchAll(/console\.log\(.*\) \/\/ (.*)$/gm)].map(([, line]) => line)
  expect(said.length).toBeGreaterThan(0)
  // From here, `granary` is this package as package.json exports it.
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: root,
    encoding: 'utf8',
  })
  expect(printed).toBe(`${said.join('\n')}\n`)
})
