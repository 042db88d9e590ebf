// How the page writes tables and figures.

import type { Estimate } from './stats.ts'

/** A figure to a tenth, to a hundredth, and with a comma at each thousand. */
export const tenths = (value: number) => value.toFixed(1)
export const hundredths = (value: number) => value.toFixed(2)
export const thousands = (value: number) => value.toLocaleString('en-US')

export const withInterval = ({ value, low, high }: Estimate) =>
  Number.isFinite(high) ? `${hundredths(value)} (${hundredths(low)}–${hundredths(high)})` : hundredths(value)

/** A table with a letter for each column: l for prose, at the left, and r for numbers, which all but the first have. */
export function table(head: string[], rows: string[][], columns = 'l'.padEnd(head.length, 'r')): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  const rule = Array.from(columns, (column) => (column === 'r' ? '---:' : '---'))
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}
