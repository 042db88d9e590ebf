// The sections of docs/benchmarks.md on what runs elsewhere than in this Node alone: native allocators, JavaScript, other engines.

import { type Phase, referenceOf, workloadsOf } from './figures.ts'
import { hundredths, table } from './markdown.ts'
import type { Field } from './reportParts.ts'
import type { EngineResult, Results } from './results.ts'
import { geometricMean, isBelowFloor, net } from './stats.ts'

export function againstNative(results: Results): string {
  const { native } = results
  const ids = [...new Set(native.map(({ allocator }) => allocator))]
  if (!ids.includes('granary')) return ''
  const of = (workload: string, id: string) =>
    native.find((row) => row.workload === workload && row.allocator === id && !row.fault)
  const workloads = [...new Set(native.map(({ workload }) => workload))].filter(
    (workload) => of(workload, 'granary')?.warm.length,
  )
  const ratio = (workload: string, id: string, phase: Phase) => {
    const [them, us] = [of(workload, id)?.[phase] ?? [], of(workload, 'granary')?.[phase] ?? []]
    return them.length && us.length ? Math.min(...them) / Math.min(...us) : undefined
  }
  const others = ids.filter((id) => id !== 'granary')
  const show = (value: number | undefined) => (value === undefined ? '✗' : hundredths(value))
  const phases: Phase[] = ['warm', 'cold']
  const groups = (['recorded', 'synthetic'] as const)
    .map((kinds) => ({
      name: kinds === 'recorded' ? 'real' : kinds,
      members: workloadsOf(results, kinds).filter((workload) => workloads.includes(workload)),
    }))
    .filter(({ members }) => members.length)
  const means = groups.map(({ name, members }) => [
    `**geometric mean, ${name}**`,
    ...others.flatMap((id) =>
      phases.map((phase) => {
        const ratios = members.flatMap((workload) => ratio(workload, id, phase) ?? [])
        return ratios.length ? hundredths(geometricMean(ratios)) : '–'
      }),
    ),
  ])
  const faster = groups.flatMap(({ name, members }) =>
    phases.map((phase) => {
      const where = members.flatMap((workload) => {
        const value = ratio(workload, 'glibc', phase) ?? 1
        return value < 1 ? [`${workload} ${hundredths(value)}`] : []
      })
      return `- ${name}, ${phase}: ${where.join(', ') || 'nowhere'}`
    }),
  )
  const head = ['workload', ...others.flatMap((id) => [`${id}, warm`, `${id}, cold`])]
  const rows = workloads.map((workload) => [
    workload,
    ...others.flatMap((id) => phases.map((phase) => show(ratio(workload, id, phase)))),
  ])
  const versions = others.map((id) => `${id} ${native.find(({ allocator }) => allocator === id)?.version}`)
  return `## Against native allocators\n\nThe same replay compiled by gcc -O3 for this machine (${versions.join(', ')}), beside granary in V8: their time over granary’s, gross on both sides. Less than 1: native is faster. Native pointers are twice as wide, and V8 checks bounds by guard pages, so neither side is favoured by design.\n\n${table(head, [...means, ...rows])}\n\nWhere native glibc is faster:\n\n${faster.join('\n')}\n\n${resident(results, ids, workloads)}`
}

const KIBIBYTE = 1024
/** Workloads with larger blocks are left out: natively, what is not touched is not resident. */
const LARGEST_TOUCHED = 128 * KIBIBYTE
/** And those with fewer live bytes, of which a page is too large a part. */
const LEAST_LIVE = 1024 * KIBIBYTE

function resident(results: Results, ids: string[], workloads: string[]): string {
  const touched = results.workloads.filter(
    ({ id, largest, peak }) => workloads.includes(id) && largest <= LARGEST_TOUCHED && peak >= LEAST_LIVE,
  )
  if (!touched.length) return ''
  const mean = (allocator: string) => {
    const ratios = touched.flatMap(({ id, peak }) => {
      const row = results.native.find((known) => known.workload === id && known.allocator === allocator)
      return row?.resident ? row.resident / peak : []
    })
    return ratios.length ? hundredths(geometricMean(ratios)) : '–'
  }
  return `Memory over peak live bytes, geometric mean of the ${touched.length} workloads of at least ${LEAST_LIVE / KIBIBYTE ** 2} MiB without blocks above ${LARGEST_TOUCHED / KIBIBYTE} KiB (native: resident pages; granary: the size of its memory):\n\n${table(ids, [ids.map(mean)])}`
}

export function fromJavaScript(results: Results): string {
  const { boundary } = results
  if (!boundary.length) return ''
  const cases = [...new Set(boundary.map((row) => row.case))]
  const contestants = [...new Set(boundary.map(({ contestant }) => contestant))]
  const baseline = contestants.find((name) => name === 'granary, raw export') ?? contestants[0]
  const of = (contestant: string, name: string) =>
    boundary.find((row) => row.contestant === contestant && row.case === name)
  const rows = contestants.map((contestant) => [
    contestant,
    ...cases.map((name) => {
      const [them, base] = [of(contestant, name), of(baseline, name)]
      return them && base
        ? `${hundredths(them.ns / base.ns)} (${them.ns.toFixed(0)} ns ± ${them.margin.toFixed(0)} %)`
        : '–'
    }),
  ])
  return `## Called from JavaScript\n\nCPU time over that of ${baseline} (benchmark.js).\n\n${table(['contestant', ...cases], rows)}`
}

export function otherEngines(results: Results, { ids: all, title }: Field): string {
  const ours = referenceOf(results)
  const { engines } = results
  const names = [...new Set(engines.map(({ engine }) => engine))]
  if (!names.length) return ''
  // One engine may have replayed more than the others.
  const everywhere = (has: (row: EngineResult) => boolean) =>
    names.every((engine) => engines.some((row) => row.engine === engine && has(row)))
  const ids = all.filter((id) => everywhere(({ allocator }) => allocator === id))
  const workloads = [...new Set(engines.map(({ workload }) => workload))].filter((id) =>
    everywhere(({ workload }) => workload === id),
  )
  const ratio = (engine: string, id: string, phase: Phase) => {
    const rows = engines.filter((row) => row.engine === engine && !row.fault && row[phase].length)
    const find = (workload: string, allocator: string) =>
      rows.find((row) => row.workload === workload && row.allocator === allocator)
    const ratios = workloads.flatMap((workload) => {
      const [them, us, floor] = [id, ours, 'floor'].map((allocator) => find(workload, allocator))
      const measured = them && us && floor && ![them, us].some((row) => isBelowFloor(row[phase], floor[phase]))
      return measured ? net(them[phase], floor[phase]) / net(us[phase], floor[phase]) : []
    })
    return ratios.length ? hundredths(geometricMean(ratios)) : '–'
  }
  const rows = names.flatMap((engine) =>
    (['warm', 'cold'] as Phase[]).map((phase) => [
      `${engine}, ${phase}`,
      ...ids.map((id) => (id === ours ? '1' : ratio(engine, id, phase))),
    ]),
  )
  return `## Other engines\n\nNet time over ${title(ours)}’s, geometric mean over ${workloads.join(', ')}. Wall-clock time in Firefox and SpiderMonkey’s shell, CPU time elsewhere.\n\n${table(['engine', ...ids.map((id) => title(id))], rows)}`
}
