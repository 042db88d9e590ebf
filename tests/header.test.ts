// embed/granary.h declares what the core defines: its reasons for a refusal have the core's numbers.
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
