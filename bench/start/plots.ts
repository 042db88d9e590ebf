// The report's plots, as SVG text. Colours are classes, so that the page's style sheet decides them for light and dark.
import { scaleBand, scaleLinear } from 'd3-scale'
import { area, curveStepBefore, line } from 'd3-shape'
import { escaped } from '../escaped.ts'
import { FREED, type HeapMap, LIVE_SIZES, OVERHEAD, UNTOUCHED } from '../replay/inspect.ts'
import { Kind, kindOf, type Trace } from '../trace.ts'
import { formatBytes } from './result.ts'

/** The width of every plot, so that their text has one size, side by side or one below the other. */
const WIDTH = 520

function svg(width: number, height: number, label: string, content: string): string {
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(label)}">${content}</svg>`
}

function text(x: number, y: number, anchor: 'start' | 'middle' | 'end', content: string, style = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" class="${style}">${escaped(content)}</text>`
}

function round(x: number): number {
  return Math.round(x * 10) / 10
}

/** The names of what a byte of the heap can be, in the order of the categories of inspect.ts, and their classes. */
export const CATEGORY_NAMES = LIVE_SIZES.map((size, i) =>
  i === 0 ? `blocks to ${size} B` : Number.isFinite(size) ? `to ${formatBytes(size)}` : 'larger',
)
CATEGORY_NAMES[OVERHEAD] = 'headers and rounding'
CATEGORY_NAMES[FREED] = 'free, was used'
CATEGORY_NAMES[UNTOUCHED] = 'tables, or never used'

const categoryClass = (category: number) => `c${category}`

export interface Bar {
  value: number
  /** From where to where a line is drawn over the bar. */
  line?: [number, number]
  label: string
  style: string
}

/** As much of a name as there is room for before the bars or the figures. */
export function shortened(name: string): string {
  const letters = [...name]
  return letters.length > 22 ? `${letters.slice(0, 21).join('')}…` : name
}

/** Groups of horizontal bars from 0, each group with its name before it. */
export function bars(title: string, groups: { name: string; bars: Bar[] }[]): string {
  const left = 160
  const barHeight = 13
  const groupHeight = 2 * barHeight + 12
  const height = groups.length * groupHeight + 4
  const longest = Math.max(...groups.flatMap((group) => group.bars.map((bar) => bar.line?.[1] ?? bar.value))) || 1
  const x = scaleLinear([0, longest], [left, WIDTH - 84])
  const content = groups.map((group, g) => {
    const top = g * groupHeight + 4
    const drawn = group.bars.map((bar, b) => {
      const y = top + b * (barHeight + 2)
      const middle = y + barHeight / 2
      const end = round(x(bar.value))
      const [from, to] = (bar.line ?? [bar.value, bar.value]).map((value) => round(x(value)))
      const whisker = bar.line ? `<path class="whisker" d="M${from} ${middle}H${to}"/>` : ''
      const length = round(end - left)
      return `<rect class="${bar.style}" x="${left}" y="${y}" width="${length}" height="${barHeight}" rx="2"/>${whisker}${text(Math.max(end, to) + 6, middle + 4, 'start', bar.label, 'value')}`
    })
    const name = text(left - 8, top + barHeight + 5, 'end', shortened(group.name))
    return `<g><title>${escaped(group.name)}</title>${name}</g>${drawn.join('')}`
  })
  return svg(WIDTH, height, title, content.join(''))
}

/** Live bytes (most in each interval) and the heaps' sizes (at each interval's end, and no heap shrinks) over the operations of a
 *  trace. */
export function timeline(
  trace: Trace,
  ends: number[],
  live: number[],
  heaps: { name: string; style: string; heap: number[] }[],
): string {
  const height = 236
  const [top, right, bottom, left] = [10, 24, 34, 58]
  const most = Math.max(...heaps.flatMap(({ heap }) => heap), ...live)
  const unit = 1024 ** Math.min(Math.floor(Math.log2(most) / 10), 3)
  const x = scaleLinear([0, trace.operations], [left, WIDTH - right])
  const y = scaleLinear([0, most / unit], [height - bottom, top]).nice(5)
  const unitName = formatBytes(unit).split(' ')[1]
  const rules = y
    .ticks(5)
    .map((tick) => {
      const at = round(y(tick))
      return `<path class="rule" d="M${left} ${at}H${WIDTH - right}"/>${text(left - 6, at + 4, 'end', `${y.tickFormat(5)(tick)} ${unitName}`)}`
    })
    .join('')
  const inThousands = (tick: number) => (tick && trace.operations >= 10_000 ? `${tick / 1000}k` : String(tick))
  const labels = x
    .ticks(6)
    .filter(Number.isInteger)
    .map((tick) => text(x(tick), height - bottom + 16, 'middle', inThousands(tick)))
    .join('')
  // Before the first operation nothing is live, and no heap has memory yet. A step is the most of its interval.
  const points = (values: number[]): [number, number][] => [
    [0, 0],
    ...values.map((value, i): [number, number] => [ends[i], value / unit]),
  ]
  const shape = area<[number, number]>(
    ([at]) => round(x(at)),
    y(0),
    ([, value]) => round(y(value)),
  ).curve(curveStepBefore)
  const curve = line<[number, number]>(
    ([at]) => round(x(at)),
    ([, value]) => round(y(value)),
  ).curve(curveStepBefore)
  const lines = heaps.map(({ style, heap }) => `<path class="line ${style}" d="${curve(points(heap))}"/>`)
  // The first is drawn last and, by the style sheet, thinner: both are seen where they are equal.
  const drawn = lines.reverse().join('')
  const axis = text((left + WIDTH - right) / 2, height - 4, 'middle', 'operations', 'soft')
  const filled = `<path class="live" d="${shape(points(live))}"/>`
  const sizes = heaps.map(({ name, heap }) => `; ${name} ${formatBytes(heap[heap.length - 1])} at the end`)
  const label = `Heap and live bytes over time, ${trace.name}: at most ${formatBytes(trace.peak)} live${sizes.join('')}`
  return svg(WIDTH, height, label, rules + labels + axis + filled + drawn)
}

/** How many requests, and how many of the bytes requested, are of which size. */
export function histogram(trace: Trace): string {
  const counts: number[] = []
  const bytes: number[] = []
  for (let i = 0; i < trace.operations; i++) {
    if (kindOf(trace.words[2 * i]) === Kind.free) continue
    const size = trace.words[2 * i + 1]
    const bin = Math.ceil(Math.log2(size))
    counts[bin] = (counts[bin] ?? 0) + 1
    bytes[bin] = (bytes[bin] ?? 0) + size
  }
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0)
  const [allCounts, allBytes] = [sum(counts), sum(bytes)]
  const first = counts.findIndex((n) => n > 0)
  const bins = Array.from({ length: counts.length - first }, (_, i) => {
    const bin = first + i
    return { bin, count: (counts[bin] ?? 0) / allCounts, bytes: (bytes[bin] ?? 0) / allBytes }
  })
  return drawHistogram(trace.name, bins)
}

function drawHistogram(name: string, bins: { bin: number; count: number; bytes: number }[]): string {
  const height = 236
  const [top, right, bottom, left] = [10, 6, 34, 40]
  const x = scaleBand(
    bins.map(({ bin }) => bin),
    [left, WIDTH - right],
  ).padding(0.2)
  const y = scaleLinear(
    [0, Math.max(...bins.flatMap(({ count, bytes }) => [count, bytes]))],
    [height - bottom, top],
  ).nice(4)
  const rules = y
    .ticks(4)
    .map((tick) => {
      const at = round(y(tick))
      return `<path class="rule" d="M${left} ${at}H${WIDTH - right}"/>${text(left - 6, at + 4, 'end', y.tickFormat(4, '%')(tick))}`
    })
    .join('')
  const half = x.bandwidth() / 2
  const bar = (at: number, share: number, style: string, label: string) =>
    `<rect class="${style}" x="${round(at)}" y="${round(y(share))}" width="${round(half)}" height="${round(y(0) - y(share))}"><title>${label}: ${(100 * share).toFixed(1)} %</title></rect>`
  const every = Math.ceil(bins.length / 8)
  const drawn = bins.map(({ bin, count, bytes }, i) => {
    const at = x(bin) ?? 0
    const label = `to ${formatBytes(2 ** bin)}`
    const tick = i % every ? '' : text(at + half, height - bottom + 16, 'middle', shortBytes(2 ** bin))
    return bar(at, count, 'requests', `requests ${label}`) + bar(at + half, bytes, 'bytes', `bytes ${label}`) + tick
  })
  const axis = text((left + WIDTH - right) / 2, height - 4, 'middle', 'size asked for, up to', 'soft')
  return svg(WIDTH, height, `Sizes asked for, ${name}`, rules + drawn.join('') + axis)
}

/** "64", "4K", "1M": powers of two on an axis. */
function shortBytes(bytes: number): string {
  return formatBytes(bytes)
    .replace(/\.0/, '')
    .replace(/ B$/, '')
    .replace(/ (\w)iB$/, '$1')
}

const MAP_COLUMNS = 128

/** The heap in order of address, row by row. */
export function heapMap(label: string, map: HeapMap): string {
  const rows = Math.ceil(map.cells.length / MAP_COLUMNS)
  const paths = CATEGORY_NAMES.map(() => '')
  for (let start = 0; start < map.cells.length; ) {
    const category = map.cells[start]
    const rowEnd = Math.min((Math.floor(start / MAP_COLUMNS) + 1) * MAP_COLUMNS, map.cells.length)
    let end = start + 1
    while (end < rowEnd && map.cells[end] === category) end++
    paths[category] += `M${start % MAP_COLUMNS} ${Math.floor(start / MAP_COLUMNS)}h${end - start}v1h${start - end}z`
    start = end
  }
  const drawn = paths.map((d, category) => (d ? `<path class="${categoryClass(category)}" d="${d}"/>` : ''))
  return svg(MAP_COLUMNS, rows, label, `<g shape-rendering="crispEdges">${drawn.join('')}</g>`)
}

/** What the heap consists of, as one bar. */
export function composition(label: string, map: HeapMap): string {
  const x = scaleLinear([0, map.heapBytes], [0, WIDTH])
  const share = (bytes: number) => `${((100 * bytes) / map.heapBytes).toFixed(1)} %`
  let from = 0
  const parts = map.bytes.map((bytes, category) => {
    const part = `<rect class="${categoryClass(category)}" x="${round(x(from))}" y="0" width="${round(x(bytes))}" height="12"><title>${CATEGORY_NAMES[category]}: ${formatBytes(bytes)}, ${share(bytes)}</title></rect>`
    from += bytes
    return part
  })
  const shares = map.bytes.flatMap((bytes, category) => (bytes ? `${share(bytes)} ${CATEGORY_NAMES[category]}` : []))
  return svg(WIDTH, 12, `${label}: ${shares.join('; ')}`, parts.join(''))
}
