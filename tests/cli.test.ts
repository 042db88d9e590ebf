// granary link where binaryen is at fault; what it makes of modules is tested with toolchains (tests/embed/link.ts).
import binaryen from 'binaryen'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { merge } from '../cli/binaryen.ts'

describe('binaryen’s tool', () => {
  afterEach(() => vi.unstubAllEnvs())

  it('that ends without a word is said to have ended', () => {
    vi.stubEnv('NODE_OPTIONS', '--import=data:text/javascript,process.exit(3)')
    expect(() => merge(binaryen, { program: '(module)' })).toThrow(
      'binaryen cannot merge this module with granary: its tool ended with 3',
    )
  })
})
