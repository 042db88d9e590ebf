// What a run was measured on.
import os from 'node:os'

/** The processor's name; its architecture where the system does not tell it. */
export const processor = (): string => os.cpus()[0]?.model.trim() ?? os.arch()

export const system = (): string => `${os.type()} ${os.release()} ${os.arch()}`
