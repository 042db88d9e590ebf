// How the page writes tables and figures.

import type { Estimate } from './stats.ts'

export const two = (value: number) => value.toFixed(2)
export const withInterval = ({ value, low, high }: Estimate) =>
  Number.isFinite(high) ? `${two(value)} (${two(low)}–${two(high)})` : two(value)
export const thousands = (value: number) => value.toLocaleString('en-US')

export function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i ? '---:' : '---'))), ...rows.map(line)].join('\n')
}
