// Shows on a terminal how far the work is and what is being done, in one line that is overwritten; elsewhere only the parts
// that are finished, in a line each.
import { clearLine, cursorTo } from 'node:readline'

const BAR = 12

export class Progress {
  readonly #out: NodeJS.WriteStream
  readonly #overwrites: boolean
  readonly #start = Date.now()

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
    this.#overwrites = out.isTTY && process.env.TERM !== 'dumb'
  }

  /** Shows what begins now, and what share of all work, 0 to 1, is done. */
  show(what: string, share: number): void {
    if (!this.#overwrites) return
    const filled = Math.round(share * BAR)
    const left = share > 0.02 ? `, ${clock(((Date.now() - this.#start) / share) * (1 - share))} to go` : ''
    const line = `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ${Math.round(100 * share)} %${left}  ${what}`
    this.#clear()
    this.#out.write(line.slice(0, (this.#out.columns || 80) - 1))
  }

  /** A part is finished. */
  finish(line: string): void {
    if (this.#overwrites) this.#clear()
    this.#out.write(`${line}\n`)
  }

  #clear(): void {
    clearLine(this.#out, 0)
    cursorTo(this.#out, 0)
  }
}

/** Milliseconds as minutes and seconds. */
export function clock(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
