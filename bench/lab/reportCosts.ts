// The sections of docs/benchmarks.md on what costs.ts measures, and the picture of code size against speed.

import { meanTime, PAGE, referenceOf, workloadsOf } from './figures.ts'
import { hundredths, table, thousands } from './markdown.ts'
import type { Field } from './reportParts.ts'
import type { Results } from './results.ts'
import { median } from './stats.ts'
import { type Palette, scatter } from './svg.ts'

export function growthsAndBases({ peaks }: Results, { ids, title }: Field): string {
  if (!peaks.length) return ''
  const rows = ids.flatMap((id) => {
    const growths = peaks.filter(({ allocator, shift }) => allocator === id && !shift).map((peak) => peak.growths)
    return growths.length ? [[title(id), thousands(Math.round(median(growths))), thousands(Math.max(...growths))]] : []
  })
  const shift = Math.max(...peaks.map((peak) => peak.shift))
  const moved = ids.filter((id) => shift && peaks.some((peak) => peak.allocator === id && peak.shift === shift))
  const pages = (workload: string, id: string, at: number) => {
    const peak = peaks.find((known) => known.workload === workload && known.allocator === id && known.shift === at)
    return peak ? thousands(peak.heap / PAGE) : '–'
  }
  const bases = [...new Set(peaks.map(({ workload }) => workload))].map((workload) => [
    workload,
    ...moved.flatMap((id) => [pages(workload, id, 0), pages(workload, id, shift)]),
  ])
  const head = moved.flatMap((id) => [`${title(id)}, at a page`, `${title(id)}, + ${thousands(shift)} B`])
  const growths = `## Growths\n\nHow often the memory grew in a replay of a real program, from nothing to the peak; what the peaks waste is in the tables of peak memory above.\n\n${table(['allocator', 'median', 'most'], rows)}`
  return moved.length
    ? `${growths}\n\nA program’s own data seldom end with a page. Pages at the peak with a heap that begins where a page does, and with one that begins ${thousands(shift)} bytes into a page (which counts), for ${moved.map(title).join(' and ')}; the others’ heaps were not moved:\n\n${table(['workload', ...head], bases)}`
    : growths
}

export function instructionsAndInstantiation(results: Results, { ids, title }: Field): string {
  const { instructions, instantiation } = results
  const rows = ids.flatMap((id) => {
    const found = instructions.find(({ allocator }) => allocator === id)
    return found ? [[title(id), String(found.malloc), String(found.free)]] : []
  })
  const counted = rows.length
    ? `## Instructions\n\nWebAssembly instructions that malloc and free of 32 bytes execute when the same was allocated and freed just before: the shortest path, counted by wasmtime’s fuel.\n\n${table(['allocator', 'malloc', 'free'], rows)}`
    : ''
  const microseconds = (ns: number) => `${(ns / 1000).toFixed(0)} µs`
  const ready = instantiation
    ? `## Instantiation\n\ngranary’s module becomes an instance in ${microseconds(instantiation.compiled)} once it is compiled, and in ${microseconds(instantiation.bytes)} from its bytes (median, in Node as it is by default, which compiles a function when it is first called; the memory is there).`
    : ''
  return [counted, ready].filter(Boolean).join('\n\n')
}

/** The points of code size against speed, drawn. */
export function sizeAgainstSpeed(results: Results, { ids, title }: Field, palette: Palette): string | undefined {
  const recorded = workloadsOf(results, 'recorded')
  const reference = referenceOf(results)
  const points = ids.flatMap((id) => {
    const size = results.sizes.find(
      ({ allocator, functions, level }) => allocator === id && functions === 'five' && level === 'O3',
    )
    const time = meanTime(results, recorded, id, reference, 'warm')
    return size && time ? [{ name: title(id), x: size.raw, y: time.value }] : []
  })
  if (!points.length) return undefined
  return scatter(
    'Code size and time on real programs (both: less is better)',
    { label: 'bytes of malloc, free, realloc, calloc and aligned_alloc at -O3', format: thousands },
    { label: `warm time over ${title(reference)}’s, geometric mean`, format: hundredths },
    points,
    palette,
  )
}
