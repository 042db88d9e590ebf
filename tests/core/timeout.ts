// Imported by tests that take longer than vitest's default when the machine is busy.
import { vi } from 'vitest'

vi.setConfig({ testTimeout: 300_000 })
