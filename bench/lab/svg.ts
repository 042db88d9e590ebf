// Plots as SVG, drawn from the figures alone: a scatter plot with labels, bars in groups, and lines.
import { extent } from 'd3-array'
import { scaleLinear, scaleLog } from 'd3-scale'
import { curveMonotoneX, line } from 'd3-shape'
import { escaped } from '../escaped.ts'

export interface Axis {
  label: string
  /** Written at each tick. */
  format(value: number): string
  ticks?: number[]
}

interface Point {
  x: number
  y: number
}

const WIDTH = 860
const MARGIN = { top: 44, right: 150, bottom: 50, left: 70 }
const COLOURS = [
  '#c2255c',
  '#1971c2',
  '#2f9e44',
  '#e8590c',
  '#7048e8',
  '#0c8599',
  '#a87900',
  '#495057',
  '#e64980',
  '#5c940d',
]
const OURS = '#000'

function colourOf(index: number): string {
  return index < 0 ? OURS : COLOURS[index % COLOURS.length]
}

/** The colour's number of each name: the same in all plots of a report; ours, the first, is black. */
export type Palette = Map<string, number>

export function paletteOf(names: string[]): Palette {
  return new Map(names.map((name, i) => [name, i - 1]))
}

const strokeOf = (palette: Palette, name: string) => colourOf(palette.get(name) ?? 0)
const dashOf = (palette: Palette, name: string) =>
  (palette.get(name) ?? 0) >= COLOURS.length ? ' stroke-dasharray="5 3"' : ''

function document(height: number, title: string, body: string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="${MARGIN.left}" y="22" font-size="15" font-weight="bold">${escaped(title)}</text>`,
    ...body,
    '</svg>\n',
  ].join('\n')
}

/** The least and the greatest of what is drawn, which is never nothing. */
function extentOf(points: Point[], axis: 'x' | 'y'): [number, number] {
  return extent(points, (point) => point[axis]) as [number, number]
}

/** Ticks of 1, 2 and 5 times a power of ten within the bounds. */
function logTicks([low, high]: number[]): number[] {
  const ticks: number[] = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const step of [1, 2, 5]) ticks.push(step * 10 ** power)
  const within = ticks.filter((tick) => tick >= low && tick <= high)
  const isPower = (tick: number) => Math.abs(Math.log10(tick) - Math.round(Math.log10(tick))) < 1e-9
  return within.length > 10 ? within.filter(isPower) : within
}

function frame(
  height: number,
  x: Axis,
  y: Axis,
  xAt: (value: number) => number,
  yAt: (value: number) => number,
  xTicks: number[],
  yTicks: number[],
): string[] {
  const [left, right, top, bottom] = [MARGIN.left, WIDTH - MARGIN.right, MARGIN.top, height - MARGIN.bottom]
  return [
    ...xTicks.map(
      (tick) =>
        `<path d="M${xAt(tick).toFixed(1)} ${top}V${bottom}" stroke="#e9ecef"/><text x="${xAt(tick).toFixed(1)}" y="${bottom + 16}" text-anchor="middle">${x.format(tick)}</text>`,
    ),
    ...yTicks.map(
      (tick) =>
        `<path d="M${left} ${yAt(tick).toFixed(1)}H${right}" stroke="#e9ecef"/><text x="${left - 6}" y="${(yAt(tick) + 4).toFixed(1)}" text-anchor="end">${y.format(tick)}</text>`,
    ),
    `<path d="M${left} ${top}V${bottom}H${right}" stroke="#495057" fill="none"/>`,
    `<text x="${(left + right) / 2}" y="${height - 12}" text-anchor="middle">${escaped(x.label)}</text>`,
    `<text transform="translate(16 ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(y.label)}</text>`,
  ]
}

/** Labels that would overlap are moved apart; returns the height of each. */
export function apart(heights: number[], distance: number): number[] {
  const order = heights.map((_, i) => i).sort((a, b) => heights[a] - heights[b])
  const moved = [...heights]
  for (let k = 1; k < order.length; k++) moved[order[k]] = Math.max(moved[order[k]], moved[order[k - 1]] + distance)
  return moved
}

/** A point for each name, both axes logarithmic. */
export function scatter(
  title: string,
  x: Axis,
  y: Axis,
  points: (Point & { name: string })[],
  palette: Palette,
): string {
  const height = 520
  const wider = ([low, high]: [number, number]): [number, number] => [low / 1.1, high * 1.1]
  const xScale = scaleLog(wider(extentOf(points, 'x')), [MARGIN.left, WIDTH - MARGIN.right])
  const yScale = scaleLog(wider(extentOf(points, 'y')), [height - MARGIN.bottom, MARGIN.top])
  const sorted = [...points].sort((a, b) => yScale(a.y) - yScale(b.y))
  const labels = apart(
    sorted.map((point) => yScale(point.y) + 4),
    14,
  )
  return document(height, title, [
    ...frame(height, x, y, xScale, yScale, logTicks(xScale.domain()), logTicks(yScale.domain())),
    ...sorted.map(({ x: px, y: py, name }, i) => {
      const [cx, cy] = [xScale(px), yScale(py)]
      const bold = palette.get(name) === -1 ? ' font-weight="bold"' : ''
      const leader =
        Math.abs(labels[i] - cy) > 12
          ? `<path d="M${cx.toFixed(1)} ${cy.toFixed(1)}L${(cx + 9).toFixed(1)} ${(labels[i] - 4).toFixed(1)}" stroke="#adb5bd"/>`
          : ''
      return `${leader}<circle cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" r="5" fill="${strokeOf(palette, name)}"/><text x="${(cx + 10).toFixed(1)}" y="${labels[i].toFixed(1)}"${bold}>${escaped(name)}</text>`
    }),
  ])
}

export interface Series {
  name: string
  points: Point[]
}

/** A line for each name, both axes logarithmic, the names at the lines' ends. */
export function lines(title: string, x: Axis, y: Axis, series: Series[], palette: Palette, reversed = false): string {
  const height = 480
  const all = series.flatMap(({ points }) => points)
  const range: [number, number] = reversed ? [WIDTH - MARGIN.right, MARGIN.left] : [MARGIN.left, WIDTH - MARGIN.right]
  const xScale = scaleLog(extentOf(all, 'x'), range)
  const yScale = scaleLog(extentOf(all, 'y'), [height - MARGIN.bottom, MARGIN.top]).nice()
  const path = line<Point>(
    (point) => xScale(point.x),
    (point) => yScale(point.y),
  )
    .curve(curveMonotoneX)
    .digits(1)
  const ends = series.map(({ points }) => points[points.length - 1])
  const labels = apart(
    ends.map((point) => yScale(point.y) + 4),
    13,
  )
  return document(height, title, [
    ...frame(height, x, y, xScale, yScale, x.ticks ?? logTicks(xScale.domain()), logTicks(yScale.domain())),
    ...series.map(({ name, points }, i) => {
      const ours = palette.get(name) === -1
      const stroke = strokeOf(palette, name)
      return `<path d="${path(points)}" fill="none" stroke="${stroke}" stroke-width="${ours ? 3 : 1.5}"${dashOf(palette, name)}/><text x="${(xScale(ends[i].x) + 6).toFixed(1)}" y="${labels[i].toFixed(1)}" fill="${stroke}"${ours ? ' font-weight="bold"' : ''}>${escaped(name)}</text>`
    }),
  ])
}

/** For each group a bar of each series, from 0; bars that leave the plot are cut off and marked. */
export function bars(
  title: string,
  x: Axis,
  groups: { name: string; values: (number | undefined)[] }[],
  series: string[],
  palette: Palette,
  most: number,
): string {
  const thickness = 7
  const groupHeight = series.length * thickness + 8
  const margin = { top: 60, left: 180, right: 60, bottom: 50 }
  const height = margin.top + groups.length * groupHeight + margin.bottom
  const xScale = scaleLinear([0, most], [margin.left, WIDTH - margin.right])
  const ticks = xScale.ticks(8)
  const bottom = height - margin.bottom
  return document(height, title, [
    ...series.map(
      (name, i) =>
        `<rect x="${margin.left + i * 150}" y="34" width="10" height="10" fill="${strokeOf(palette, name)}"/><text x="${margin.left + i * 150 + 15}" y="43">${escaped(name)}</text>`,
    ),
    ...ticks.map(
      (tick) =>
        `<path d="M${xScale(tick).toFixed(1)} ${margin.top}V${bottom}" stroke="#e9ecef"/><text x="${xScale(tick).toFixed(1)}" y="${bottom + 16}" text-anchor="middle">${x.format(tick)}</text>`,
    ),
    `<path d="M${xScale(1).toFixed(1)} ${margin.top}V${bottom}" stroke="#495057"/>`,
    `<text x="${(margin.left + WIDTH - margin.right) / 2}" y="${height - 12}" text-anchor="middle">${escaped(x.label)}</text>`,
    ...groups.flatMap(({ name, values }, g) => {
      const top = margin.top + g * groupHeight + 4
      return [
        `<text x="${margin.left - 8}" y="${top + groupHeight / 2}" text-anchor="end">${escaped(name)}</text>`,
        ...values.flatMap((value, i) => {
          if (value === undefined) return []
          const width = xScale(Math.min(value, most)) - margin.left
          const cut =
            value > most
              ? `<text x="${WIDTH - margin.right + 4}" y="${top + (i + 1) * thickness}" font-size="9">${x.format(value)}</text>`
              : ''
          return [
            `<rect x="${margin.left}" y="${top + i * thickness}" width="${width.toFixed(1)}" height="${thickness - 1}" fill="${strokeOf(palette, series[i])}"/>${cut}`,
          ]
        }),
      ]
    }),
  ])
}
