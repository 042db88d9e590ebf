import { defineConfig } from 'vitest/config'

// On a busy machine, tests take longer than vitest's five seconds.
export default defineConfig({ test: { testTimeout: 300_000, hookTimeout: 300_000 } })
