// Shows on a terminal which part of the work is being done, in one line that is overwritten; elsewhere only the parts
// that are finished, in a line each.
import { clearLine, cursorTo } from 'node:readline'

const BAR = 24

export class Progress {
  readonly #steps: number
  readonly #out: NodeJS.WriteStream
  #done = 0

  constructor(steps: number, out: NodeJS.WriteStream = process.stdout) {
    this.#steps = steps
    this.#out = out
  }

  /** A step begins. */
  step(what: string): void {
    const share = this.#done++ / this.#steps
    if (!this.#out.isTTY) return
    const filled = Math.round(share * BAR)
    const line = `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ${Math.round(100 * share)} %  ${what}`
    this.#clear()
    this.#out.write(line.slice(0, (this.#out.columns || 80) - 1))
  }

  /** A part is finished. */
  finish(line: string): void {
    if (this.#out.isTTY) this.#clear()
    this.#out.write(`${line}\n`)
  }

  #clear(): void {
    clearLine(this.#out, 0)
    cursorTo(this.#out, 0)
  }
}
