// granary link where binaryen is at fault; what it makes of modules is tested with toolchains (tests/embed/link.ts).
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import binaryen from 'binaryen'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { merge } from '../cli/binaryen.ts'

describe('binaryen', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'granary-cli-'))
  const at = (name: string) => path.join(folder, name)
  afterAll(() => rmSync(folder, { recursive: true }))
  cpSync('dist/cli', at('dist/cli'), { recursive: true })
  writeFileSync(at('package.json'), '{ "type": "module" }')
  for (const name of ['build/embed', 'node_modules/binaryen']) mkdirSync(at(name), { recursive: true })
  for (const name of ['build/embed/granary.wasm', 'program.wasm']) writeFileSync(at(name), '')
  const link = () => {
    const args = ['dist/cli/granary.js', 'link', 'program.wasm', '-o', 'linked.wasm']
    return spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
  }

  it('that is there but does not load is not said to be missing', () => {
    writeFileSync(at('node_modules/binaryen/index.js'), "throw new Error('no such engine')")
    expect(link()).toMatchObject({ status: 1, stderr: 'granary: no such engine\n' })
  })

  const needed = 'granary: granary link needs binaryen 125 or newer beside granary'
  const install = ': npm install --save-dev binaryen, or --global where granary is installed so\n'

  it('that is too old, as other packages bring it, is named', () => {
    writeFileSync(at('node_modules/binaryen/index.js'), 'export default {}')
    writeFileSync(
      at('node_modules/binaryen/package.json'),
      '{ "type": "module", "main": "index.js", "version": "123.0.0-nightly" }',
    )
    expect(link()).toMatchObject({ status: 1, stderr: `${needed}, which has 123.0.0-nightly${install}` })
  })

  it('that is missing is asked for', () => {
    rmSync(at('node_modules'), { recursive: true })
    expect(link()).toMatchObject({ status: 1, stderr: needed + install })
  })

  it('is the one that the package asks for', () => {
    expect(JSON.parse(readFileSync('package.json', 'utf8')).peerDependencies.binaryen).toBe('>=125')
  })
})

describe('binaryen’s tool', () => {
  afterEach(() => vi.unstubAllEnvs())

  it('that ends without a word is said to have ended', () => {
    vi.stubEnv('NODE_OPTIONS', '--import=data:text/javascript,process.exit(3)')
    expect(() => merge(binaryen, { program: '(module)' })).toThrow(
      'binaryen cannot merge this module with granary: its tool ended with 3',
    )
  })
})
