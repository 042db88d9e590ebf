// Where the traces come from: the bundled ones, those of a folder, and the synthetic ones.
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { put } from '../cache.ts'
import { formatTrace, type Trace } from '../trace.ts'
import { bundledNames, bundledTrace, nameOf, readTrace } from '../traces/bundled.ts'
import { aboutSynthetic, synthetic, syntheticNames } from './synthetic.ts'
import { labFolder } from './tools.ts'

/** A workload by reference, so that it can be handed to another process. */
export type Workload =
  | { kind: 'bundled'; id: string }
  | { kind: 'given'; id: string; file: string }
  | { kind: 'synthetic'; id: string }

export function allWorkloads(folders: string[]): Workload[] {
  const bundled = bundledNames().map((id): Workload => ({ kind: 'bundled', id }))
  const given = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => /\.mtrc(\.gz)?$|\.trace\.br$/.test(file))
      .map((file): Workload => ({ kind: 'given', id: nameOf(file), file: path.resolve(folder, file) })),
  )
  const all = [...bundled, ...given, ...syntheticNames.map((id): Workload => ({ kind: 'synthetic', id }))]
  const twice = all.find(({ id }, i) => all.findIndex((other) => other.id === id) !== i)
  if (twice) throw new Error(`two workloads are called ${twice.id}`)
  return all
}

export function loadWorkload(workload: Workload): Trace {
  if (workload.kind === 'synthetic') return synthetic(workload.id)
  return workload.kind === 'bundled' ? bundledTrace(workload.id) : readTrace(workload.file)
}

/** A workload as an MTRC file, for programs that are not ours to read, and as it is. */
export function traceFile(workload: Workload): { file: string; trace: Trace } {
  const trace = loadWorkload(workload)
  const file = path.join(labFolder, 'mtrc', `${workload.id}.mtrc`)
  put(file, formatTrace(trace))
  return { file, trace }
}

export function aboutWorkload(workload: Workload): string {
  if (workload.kind === 'synthetic') return aboutSynthetic(workload.id)
  return workload.kind === 'bundled' ? 'recorded from a real program' : `given: ${path.basename(workload.file)}`
}
