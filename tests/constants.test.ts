// What is written by hand outside the core has the core's numbers.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'

const read = (file: string) => readFileSync(path.join(import.meta.dirname, '..', file), 'utf8')

it('the reasons of granary.h are the core’s', () => {
  const [, list] = /enum \{([^}]*)\}/.exec(read('embed/granary.h')) ?? []
  const names = [...list.matchAll(/^ *GRANARY_(\w+)/gm)].map(([, name]) => name)
  const reasons = [...read('assembly/error.ts').matchAll(/^export const (\w+): u32 = (\d+)/gm)]
    .map(([, name, number]) => [name, Number(number)] as const)
    .filter(([name]) => !/^E[A-Z]+$/.test(name))
  expect(names.map((name, number) => [name, number])).toEqual([['NOT_REFUSED', 0], ...reasons])
})

it.each([
  ['small_max of granary.zig', 'embed/zig/granary.zig', /^const small_max = (\S+);$/m, 'SMALL_MAX'],
  ['MAGIC of the host', 'src/create.ts', /^const MAGIC = (\S+)$/m, 'MAGIC'],
  ['BREAK_MAX of the host', 'src/errors.ts', /^const BREAK_MAX = (\S+)$/m, 'BREAK_MAX'],
])('%s is the core’s', (_, file, constant, name) => {
  const [, own] = constant.exec(read(file)) ?? []
  const [, core] = new RegExp(`^export const ${name}: \\w+ = (\\w+)`, 'm').exec(read('assembly/layout.ts')) ?? []
  expect(own).toBeDefined()
  expect(own).toBe(core)
})
