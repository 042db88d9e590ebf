// The README's example is a program that prints what its comments say.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

const root = path.join(import.meta.dirname, '..')
const readme = readFileSync(path.join(root, 'README.md'), 'utf8')

it('the example of a heap prints what it says', () => {
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

describe('a command that takes long does nothing but say what it does where it is asked for help or for what it does not know:', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  const answer = (command: string, argument: string) =>
    spawnSync(`${scripts[command]} ${argument}`, { cwd: root, shell: true, encoding: 'utf8', timeout: 50_000 })

  it.each(['setup:embed', 'bench:setup', 'bench:embed', 'test:mutants'])('%s', { timeout: 60_000 }, (command) => {
    const usage = expect.stringContaining(`npm run ${command}\n`)
    expect(answer(command, '--help')).toMatchObject({ status: 0, stdout: usage, stderr: '' })
    expect(answer(command, '--bogus')).toMatchObject({ status: 1, stdout: '', stderr: usage })
  })

  it('test:embed', { timeout: 60_000 }, () => {
    const names = expect.stringMatching(/: --bogus; there are\n(.*\n)* {2}guide rust\n/)
    expect(answer('test:embed', '--bogus')).toMatchObject({ status: 1, stdout: '', stderr: names })
  })
})
