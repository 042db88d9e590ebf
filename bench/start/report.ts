// The run as one HTML page that needs nothing besides itself.
import { escaped } from '../escaped.ts'
import { intervalEnds, SMALLEST_FREE } from '../replay/inspect.ts'
import {
  isTimed,
  LEAST_NET,
  type Measurement,
  TIMED_OPERATIONS,
  WARM_OPERATIONS,
  WARM_TIME,
} from '../replay/measure.ts'
import { Kind, kindOf, slotOf, type Trace } from '../trace.ts'
import { type Bar, bars, CATEGORY_NAMES, composition, heapMap, histogram, shortened, timeline } from './plots.ts'
import {
  done,
  formatBytes,
  formatLeast,
  formatMedian,
  type Means,
  means,
  memoryOverLive,
  NO_FIGURE,
  type Outcome,
  type Result,
  type Run,
  ratios,
} from './result.ts'

/** Into how many intervals a trace is cut for the timeline. */
export const INTERVALS = 500
/** How many cells of the map the live bytes at the peak would fill. */
export const MAP_CELLS = 3072

const style = `
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --ink: #1c2127; --soft: #66707c; --rule: #e3e7ec;
  --granary: #1f6fd6; --rival: #d9772b; --live: #9aa5b1; --good: #1a7f4b; --bad: #c62f2f;
  --c0: #b5e0c8; --c1: #74c3a3; --c2: #37997f; --c3: #1b6f66; --c4: #0c4548; --c5: #d264a0; --c6: #f3c969; --c7: #e6eaef; }
@media (prefers-color-scheme: dark) { :root { --back: #0f1317; --card: #171c22; --ink: #e5e9ee; --soft: #96a1ad;
  --rule: #2a313a; --granary: #5b9df5; --rival: #eb9a55; --live: #66717d; --good: #58c48d; --bad: #ff7b7b;
  --c0: #a3d6bc; --c1: #6cbb9c; --c2: #3f9a84; --c3: #2a766d; --c4: #1e585b; --c5: #d76fa8; --c6: #b98c2c; --c7: #272e37; } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 74rem; background: var(--back); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums }
h1 { margin: 0 0 .25rem; font-size: 1.9rem; letter-spacing: -.02em; line-height: 1.2 }
h2 { margin: 2.75rem 0 .75rem; font-size: 1.25rem; letter-spacing: -.01em }
h3 { margin: 0; font-size: 1.05rem }
h4 { margin: 0 0 .4rem; font-size: .8rem; font-weight: 600; color: var(--soft) }
p { margin: .4rem 0; max-width: 62rem }
.soft { color: var(--soft) }
.granary-ink { color: var(--granary) } .rival-ink { color: var(--rival) } .bad { color: var(--bad) } .good { color: var(--good) }
.card { margin: 0 0 1.25rem; padding: 1.1rem 1.25rem 1.25rem; background: var(--card); border: 1px solid var(--rule); border-radius: 12px }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 1rem; margin: 1.75rem 0 1.25rem }
.tiles .card { margin: 0 } .tiles b { display: block; font-size: 1.9rem; line-height: 1.25; letter-spacing: -.02em }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: 1.25rem 2rem }
.plots { margin: 1rem 0 1.25rem }
header.line { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .2rem 1.5rem; align-items: baseline }
svg { display: block; width: 100%; height: auto; }
svg text { font: 11px system-ui, sans-serif; fill: var(--ink) } svg .soft { fill: var(--soft) } svg .value { fill: var(--soft) }
@media (max-width: 30rem) { svg { overflow: visible } svg text { font-size: 13.5px } }
svg .granary { fill: var(--granary) } svg .rival { fill: var(--rival) }
svg .line { fill: none; stroke-width: 2; stroke-linejoin: round } svg .line.granary { stroke: var(--granary) } svg .line.rival { stroke: var(--rival); stroke-width: 4 }
svg .live { fill: var(--live); opacity: .45 } svg .rule { stroke: var(--rule) } svg .whisker { stroke: var(--ink); stroke-width: 1.5 }
svg .requests { fill: var(--c2) } svg .bytes { fill: var(--live) }
${CATEGORY_NAMES.map((_, i) => `.c${i} { fill: var(--c${i}); background: var(--c${i}) }`).join(' ')}
.map { margin: .5rem 0 .25rem; border-radius: 3px; overflow: hidden }
.key { display: flex; flex-wrap: wrap; gap: .15rem 1.1rem; margin: .5rem 0; padding: 0; list-style: none; font-size: .82rem; color: var(--soft) }
.key i { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px; vertical-align: -.05em }
.key .granary { background: var(--granary) } .key .rival { background: var(--rival) } .key .live { background: var(--live) }
.key .requests { background: var(--c2) } .key .bytes { background: var(--live) }
.wide { overflow-x: auto; padding: .5rem 1.25rem }
table { width: 100%; border-collapse: collapse; font-size: .85rem } th { font-weight: 600; color: var(--soft) }
th, td { padding: .4rem .6rem; text-align: right; white-space: nowrap; border-top: 1px solid var(--rule) }
thead tr:first-child > * { border: 0; text-align: center } th:first-child, td:first-child { padding-left: 0; text-align: left }
tfoot td { font-weight: 600 } td, tbody th { vertical-align: top } tbody th { font-weight: inherit } tbody th, tfoot th { color: inherit } td small { display: block; color: var(--soft); font-size: .75rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: .5rem 0 } dt { color: var(--soft) } dd { margin: 0 }
@media print { .key i { print-color-adjust: exact } .card { break-inside: avoid } h2 { break-after: avoid }
  .wide { overflow: visible; padding: 0 .5rem } .wide table { font-size: .55rem } .wide th, .wide td { padding: .3rem .15rem } .wide small { font-size: inherit } }`

export function formatReport(run: Run): string {
  const mean = means(run.results)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>granary and ${run.rival} on ${count(run.results.length, 'trace')}</title>
<style>${style}</style>
</head>
<body>
<h1><span class="granary-ink">granary</span> beside <span class="rival-ink">${run.rival}</span></h1>
<p class="soft">The allocations of ${count(run.results.length, 'program')}, replayed inside WebAssembly on ${escaped(run.date.toISOString().slice(0, 16).replace('T', ' '))} UTC.
${run.rival} is the allocator of AssemblyScript’s own runtime.</p>
${tiles(run, mean)}
${overview(run)}
<h2>The traces</h2>
${run.results.map((result) => traceCard(result, run.rival)).join('\n')}
<h2>All figures</h2>
${table(run, mean)}
<h2>How this was measured</h2>
${method(run)}
</body>
</html>
`
}

function count(n: number, what: string): string {
  return `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`
}

function percent(ratio: number): string {
  return `${(100 * ratio).toFixed(0)} %`
}

function tiles({ results, rival }: Run, mean: Means | undefined): string {
  const verified = results.filter(({ granary }) => done(granary)).length
  const tile = (value: string, what: string, tone = '') =>
    `<div class="card"><b class="${tone}">${value}</b><span class="soft">${what}</span></div>`
  const compared = mean
    ? (mean.ratios.warm === undefined ? '' : tile(percent(mean.ratios.warm), `of ${rival}’s time, warm`)) +
      (mean.ratios.cold === undefined ? '' : tile(percent(mean.ratios.cold), `of ${rival}’s time, cold`)) +
      tile(
        mean.granaryMemory.toFixed(2),
        `bytes of heap at its largest, for each byte live at the peak; ${rival} ${mean.rivalMemory.toFixed(2)}`,
      )
    : ''
  const all = verified === results.length
  const content = tile(`${verified} of ${results.length}`, 'replays with every byte verified', all ? 'good' : 'bad')
  return `<div class="tiles">${compared}${content}</div>`
}

function key(entries: [style: string, name: string][]): string {
  return `<ul class="key">${entries.map(([style, name]) => `<li><i class="${style}"></i>${escaped(name)}</li>`).join('')}</ul>`
}

const allocators = (rival: string): [string, string][] => [
  ['granary', 'granary'],
  ['rival', rival],
]

function overview({ results, rival }: Run): string {
  const groups = (bar: (result: Result, outcome: Outcome) => Omit<Bar, 'style'>) =>
    results.map((result) => ({
      name: result.trace.name,
      bars: [result.granary, result.rival].map((outcome, i) => {
        const style = i === 0 ? 'granary' : 'rival'
        return done(outcome) ? { ...bar(result, outcome), style } : { value: 0, label: 'failed', style }
      }),
    }))
  const time = groups(({ trace }, { measurement: { warm } }) =>
    isTimed(trace)
      ? { value: warm.minimum, line: [warm.minimum, warm.upperQuartile], label: formatLeast(warm) }
      : { value: 0, label: NO_FIGURE },
  )
  const memory = groups((result, outcome) => {
    const value = memoryOverLive(result.trace, outcome)
    return { value, label: value.toFixed(2) }
  })
  return `<section class="card">${key(allocators(rival))}<div class="two">
<div><h4>Warm, net ns an operation: least, and line to the upper quartile</h4>${bars('Warm time', time)}</div>
<div><h4>Bytes of heap at its largest, for each byte live at the peak</h4>${bars('Peak memory', memory)}</div>
</div></section>`
}

/** The most live bytes in each interval of the trace. */
function liveBytes(trace: Trace, ends: number[]): number[] {
  const sizes = new Uint32Array(trace.slots)
  let live = 0
  let i = 0
  return ends.map((end) => {
    let most = 0
    for (; i < end; i++) {
      const slot = slotOf(trace.words[2 * i])
      live += trace.words[2 * i + 1] - sizes[slot]
      sizes[slot] = trace.words[2 * i + 1]
      most = Math.max(most, live)
    }
    return most
  })
}

function kindCounts(trace: Trace): string {
  const counts = new Array<number>(5).fill(0)
  for (let i = 0; i < trace.operations; i++) counts[kindOf(trace.words[2 * i])]++
  const share = (kind: number) => `${((100 * counts[kind]) / trace.operations).toFixed(1)} %`
  return `${count(trace.operations, 'operation')} (realloc ${share(Kind.realloc)}, calloc ${share(Kind.calloc)}), ${formatBytes(trace.peak)} live at the peak, largest request ${formatBytes(trace.largest)}, recorded with ${trace.pointers32 ? 32 : 64}-bit pointers`
}

function traceCard(result: Result, rival: string): string {
  const { trace } = result
  const ends = intervalEnds(trace, INTERVALS)
  const sides = [
    { name: 'granary', style: 'granary', outcome: result.granary },
    { name: rival, style: 'rival', outcome: result.rival },
  ]
  const heaps = sides.flatMap(({ name, style, outcome }) =>
    done(outcome) ? [{ name, style, heap: outcome.inspection.heap }] : [],
  )
  const ratio = ratios(result)
  const time = ratio?.warm === undefined ? '' : `${percent(ratio.warm)} of ${rival}’s time, `
  const verdict = ratio ? `${time}${percent(ratio.memory)} of its memory` : ''
  const maps = sides.map(({ name, style, outcome }) => {
    const title = `<h4><span class="${style}-ink">${name}</span> when most bytes were live`
    if (!done(outcome)) return `<div>${title}</h4><p class="bad">failed: ${escaped(outcome.message)}</p></div>`
    const { peak } = outcome.inspection
    return `<div>${title}: ${formatBytes(peak.heapBytes)}, ${percent(trace.peak / peak.heapBytes)} of it live</h4>
${composition(`What ${name}’s heap consists of`, peak)}<div class="map">${heapMap(`${name}’s heap, ${trace.name}`, peak)}</div></div>`
  })
  return `<section class="card">
<header class="line"><h3>${escaped(trace.name)}</h3><span class="soft">${verdict}</span></header>
<p class="soft">${kindCounts(trace)}</p>
<div class="two plots">
<div><h4>Heap and live bytes over time</h4>${timeline(trace, ends, liveBytes(trace, ends), heaps)}${key([['live', 'live bytes'], ...allocators(rival)])}</div>
<div><h4>Sizes asked for</h4>${histogram(trace)}${key([
    ['requests', 'of all requests'],
    ['bytes', 'of all bytes'],
  ])}</div>
</div>
<div class="two">${maps.join('')}</div>
${key(CATEGORY_NAMES.map((name, i) => [`c${i}`, name]))}
</section>`
}

const again = ({ heapBytes, heapBytesAgain }: Measurement) => `again ×${(heapBytesAgain / heapBytes).toFixed(2)}`

function table({ results, rival }: Run, mean: Means | undefined): string {
  const cell = (outcome: Outcome | Error, show: (outcome: Outcome) => string) =>
    done(outcome) ? `<td>${show(outcome)}</td>` : `<td class="bad">failed</td>`
  const rows = results.map((result) => {
    const { trace, granary } = result
    const ratio = ratios(result)
    const both = (show: (outcome: Outcome) => string) => cell(granary, show) + cell(result.rival, show)
    const time = (which: 'warm' | 'cold') => {
      const figure = ({ measurement: { [which]: figure } }: Outcome) =>
        isTimed(trace) ? `${escaped(formatLeast(figure))}<small>${formatMedian(figure)}</small>` : NO_FIGURE
      return `${both(figure)}<td>${ratio ? (ratio[which]?.toFixed(2) ?? NO_FIGURE) : ''}</td>`
    }
    return `<tr><th scope="row" title="${escaped(trace.name)}">${escaped(shortened(trace.name))}</th>${time('warm')}${time('cold')}${both((outcome) => `${memoryOverLive(trace, outcome).toFixed(3)}<small>${again(outcome.measurement)}</small>`)}${both(({ inspection }) => String(inspection.growths))}${both(({ inspection }) => inspection.fragmentation.toFixed(2))}</tr>`
  })
  const heading = (text: string) => `<th scope="col">${text}</th>`
  const names = `${heading('granary')}${heading(rival)}`
  const foot = mean
    ? `<tfoot><tr><th scope="row">geometric mean of ${mean.traces}</th><td></td><td></td><td>${mean.ratios.warm?.toFixed(3) ?? NO_FIGURE}</td><td></td><td></td><td>${mean.ratios.cold?.toFixed(3) ?? NO_FIGURE}</td><td>${mean.granaryMemory.toFixed(3)}</td><td>${mean.rivalMemory.toFixed(3)}</td><td></td><td></td><td></td><td></td></tr></tfoot>`
    : ''
  const over = (columns: number, text: string) => `<th scope="colgroup" colspan="${columns}">${text}</th>`
  const groups = [1, 3, 3, 2, 2, 2].map((columns) => `<colgroup span="${columns}"></colgroup>`).join('')
  return `<div class="card wide" role="region" aria-label="All figures" tabindex="0"><table>${groups}
<thead><tr><td></td>${over(3, 'warm, ns an operation')}${over(3, 'cold, ns an operation')}${over(2, 'peak memory / live')}${over(2, 'growths')}${over(2, 'fragmentation')}</tr>
<tr>${heading('trace')}${names}${heading('ratio')}${names}${heading('ratio')}${names}${names}${names}</tr></thead>
<tbody>${rows.join('\n')}</tbody>${foot}
</table></div>`
}

function method({ repetitions, rival, machine, moduleBytes }: Run): string {
  return `<section class="card">
<dl>
<dt>Machine</dt><dd>${escaped(machine.processor)}, ${count(machine.cores, 'core')}, ${formatBytes(machine.memory)}, ${escaped(machine.system)}</dd>
<dt>Engine</dt><dd>${escaped(machine.engine)}, <code>${escaped(machine.flags.join(' '))}</code>: all code is compiled by the optimising tier before its first call</dd>
<dt>Module</dt><dd>granary.wasm, ${moduleBytes.toLocaleString('en')} bytes</dd>
<dt>Repetitions</dt><dd>${repetitions} of each replay, taking turns</dd>
</dl>
<p>Each allocator is merged with a driver into one WebAssembly module and optimised as a whole. The driver replays the trace: it writes the first and the last word of a block at each allocation and reallocation, and reads the first word before it frees the block.</p>
<p><b>Time</b> is CPU time of the process, net: less the floor, which is the least time that the same replay takes with an allocator that does nothing but hand out addresses from a ring; less than ${LEAST_NET} ns cannot be told from it. Figures are the minimum, below it the median ± half the interquartile range; ratios are those of the minima. <b>Cold</b> is the first replay in a fresh instance, with the growing of its memory and the first touch of its pages; <b>warm</b> is the same trace again after everything was freed, the mean of several times, within about ${count(WARM_TIME / 1e9, 'second')}, if it has fewer than ${count(WARM_OPERATIONS, 'operation')}. Traces of fewer than ${count(TIMED_OPERATIONS, 'operation')} are over before the clock can tell, and not timed.</p>
<p><b>Peak memory</b> is the largest size of the memory from the heap’s base on, over the largest sum of the sizes of all live blocks. ${rival} doubles its memory when it grows; only its own part is doubled and counted. <b>Again</b> is that size after the warm replays, over the size after the cold one. <b>Growths</b> counts memory.grow. <b>Fragmentation</b> is 1 − largest free run / all free bytes at the trace’s end; free are the gaps of at least ${SMALLEST_FREE} bytes around live blocks, the allocator’s own tables among them.</p>
<p>In a separate pass every byte of every block is written and compared: at free, at realloc and at the end; calloc’s blocks must be zero, and each block aligned. In the same pass the heap is looked at from outside, by the places of its live blocks, for all allocators alike: gaps of less than ${SMALLEST_FREE} bytes between them are headers and rounding, longer ones are free where a block has been before, and else the allocator’s tables or memory that was never used. A map shows the heap when most bytes were live, which is not always when it is largest; each cell shows what most of its bytes are; both maps of a trace have the same scale.</p>
</section>`
}
