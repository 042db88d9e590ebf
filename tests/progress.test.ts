// The progress of the long commands.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Progress } from '../bench/progress.ts'

describe('progress', () => {
  afterEach(() => vi.unstubAllEnvs())

  const written = (isTTY: boolean) => {
    let text = ''
    const write = (part: string) => {
      text += part
      return true
    }
    const progress = new Progress({ isTTY, columns: 80, write } as NodeJS.WriteStream)
    progress.show('replaying', 0.5)
    progress.finish('replayed')
    return text
  }

  it('is shown where a terminal can overwrite it', () => {
    vi.stubEnv('TERM', 'xterm')
    expect(written(true)).toContain('50 %')
  })

  it.each([
    ['no terminal', false, 'xterm'],
    ['a terminal that cannot', true, 'dumb'],
  ])('is the finished parts on %s', (_, isTTY, term) => {
    vi.stubEnv('TERM', term)
    expect(written(isTTY)).toBe('replayed\n')
  })
})
