// One line on a terminal that says what is going on, how far, and for how long it will go on; elsewhere only what is done.

export class Progress {
  readonly #start = Date.now()
  #part = Date.now()
  readonly #shown = process.stderr.isTTY === true

  /** `done` is the finished share of all work, 0 to 1. */
  show(what: string, done = 0): void {
    if (!this.#shown) return
    const seconds = (Date.now() - this.#start) / 1000
    const left = done > 0.02 ? `, ${clock((seconds / done) * (1 - done))} to go` : ''
    const line = `${String(Math.round(100 * done)).padStart(3)} % ${clock(seconds)}${left}  ${what}`
    process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`)
  }

  /** Says how long a part took. */
  finish(part: string): void {
    this.end()
    console.error(`${clock((Date.now() - this.#part) / 1000)}  ${part}`)
    this.#part = Date.now()
  }

  end(): void {
    if (this.#shown) process.stderr.write('\r\x1b[K')
  }
}

function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`
}
