// What the scripts do before anything else, install and build; and lint.
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'

const node = (...args: string[]) => spawnSync(process.execPath, args, { encoding: 'utf8' })

describe('dependencies', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'granary-install-'))
  const at = (name: string) => path.join(folder, name)
  afterAll(() => rmSync(folder, { recursive: true }))

  it.skipIf(process.platform === 'win32')('are installed where a package’s folder is missing', () => {
    const packages = { '': {}, 'node_modules/one': { version: '1.0.0' }, 'node_modules/other': { version: '2.0.0' } }
    const optional = { 'node_modules/elsewhere': { version: '3.0.0', optional: true } }
    for (const name of ['scripts', 'node_modules/one', 'node_modules/other']) mkdirSync(at(name), { recursive: true })
    copyFileSync('scripts/run.mjs', at('scripts/run.mjs'))
    writeFileSync(at('package-lock.json'), JSON.stringify({ packages: { ...packages, ...optional } }))
    writeFileSync(at('node_modules/.package-lock.json'), JSON.stringify({ packages }))
    writeFileSync(at('npm'), '#!/bin/sh\necho npm "$@"\n')
    chmodSync(at('npm'), 0o755)
    const installing = () => {
      const script = `import { install } from ${JSON.stringify(at('scripts/run.mjs'))}; install()`
      const env = { ...process.env, PATH: `${folder}${path.delimiter}${process.env.PATH}` }
      return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', env }).stdout
    }
    expect(installing()).toBe('')
    rmSync(at('node_modules/other'), { recursive: true })
    expect(installing()).toBe('npm ci --no-dry-run --include=dev\n')
  })
})

it.skipIf(process.platform === 'win32')('lint fails where git lists no AssemblyScript', { timeout: 60_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'granary-lint-'))
  try {
    writeFileSync(path.join(folder, 'git'), '#!/bin/sh\necho no list >&2\nexit 128\n', { mode: 0o755 })
    const env = { ...process.env, PATH: `${folder}${path.delimiter}${process.env.PATH}` }
    const { status, stderr } = spawnSync(process.execPath, ['scripts/lint.mjs'], { encoding: 'utf8', env })
    expect(status).toBe(1)
    expect(stderr).toContain('no list')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

describe('a build', { timeout: 120_000 }, () => {
  it('that is finished is not written again', () => {
    expect(node('scripts/build.mjs').status).toBe(0)
    const files = ['build/batch.wasm', 'src/generated', 'src/generated/module.ts', 'dist', 'dist/index.js']
    const times = () => files.map((file) => statSync(file).mtimeMs)
    const before = times()
    expect(node('scripts/build.mjs').status).toBe(0)
    expect(times()).toEqual(before)
  })

  it('is not what npm start begins with where it is asked for help', () => {
    expect(node('scripts/start.mjs', '--help').stdout).toMatch(/^npm start -- \[options\]/)
  })
})
