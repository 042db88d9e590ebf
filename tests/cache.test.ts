// What the benchmarks build once and keep.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cached, put } from '../bench/cache.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'granary-cache-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('what is cached', () => {
  it('is made once for the same inputs, and anew for others', () => {
    let made = 0
    const module = (...inputs: string[]) => [...cached(folder, 'x', inputs, () => Uint8Array.of(++made))]
    expect([module('a', 'b'), module('a', 'b'), module('ab'), module('b', 'a'), module('a', 'b')]).toEqual([
      [1],
      [1],
      [2],
      [3],
      [1],
    ])
    expect(readdirSync(folder)).toHaveLength(3)
  })

  it('leaves nothing behind where making it fails', () => {
    const fail = (made: string) => {
      put(path.join(made, 'half.wasm'), 'half')
      throw new Error('no memory')
    }
    expect(() => cached(folder, 'x', ['a'], fail)).toThrow('no memory')
    expect(readdirSync(folder)).toEqual([])
  })
})

it('what is put is there in one piece, in folders that were not', () => {
  const file = path.join(folder, 'one/two.txt')
  for (const text of ['first', 'second']) {
    put(file, text)
    expect(readFileSync(file, 'utf8')).toBe(text)
  }
  expect(readdirSync(path.dirname(file))).toEqual(['two.txt'])
})
