/** Random numbers that are the same in every run and every engine: mulberry32, seeded by a name. */
export class Random {
  #state: number

  constructor(seed: string) {
    this.#state = 0x9e3779b9
    for (const letter of seed) this.#state = Math.imul(this.#state ^ letter.charCodeAt(0), 0x01000193) >>> 0
  }

  /** From 0 to just below 1. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** An integer from low to high, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.fraction() * (high - low + 1))
  }

  /** A size whose logarithm is evenly spread from low to high. */
  logUniform(low: number, high: number): number {
    return Math.round(low * (high / low) ** this.fraction())
  }

  /** A size from 1 to `most` whose logarithm is normally spread around the median's. */
  logNormal(median: number, sigma: number, most: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.fraction())) * Math.cos(2 * Math.PI * this.fraction())
    return Math.min(most, Math.max(1, Math.round(median * Math.exp(sigma * normal))))
  }

  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.between(0, i)
      const item = items[i]
      items[i] = items[j]
      items[j] = item
    }
    return items
  }
}
