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

  it('tells how much is done and how long the rest takes, in no more than a line', () => {
    vi.stubEnv('TERM', 'xterm')
    vi.useFakeTimers()
    try {
      let text = ''
      const write = (part: string) => {
        text = part
        return true
      }
      const progress = new Progress({ isTTY: true, columns: 50, write } as NodeJS.WriteStream)
      vi.advanceTimersByTime(200_000)
      progress.show('replaying', 0.75)
      expect(text).toBe('█████████░░░ 75 %, 1:06 to go  replaying')
      progress.show('replaying'.repeat(5), 0.75)
      expect(text).toHaveLength(49)
    } finally {
      vi.useRealTimers()
    }
  })

  it.each([
    ['no terminal', false, 'xterm'],
    ['a terminal that cannot', true, 'dumb'],
  ])('is the finished parts on %s', (_, isTTY, term) => {
    vi.stubEnv('TERM', term)
    expect(written(isTTY)).toBe('replayed\n')
  })
})
