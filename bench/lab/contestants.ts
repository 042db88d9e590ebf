// Makes the allocators ready for the worker: built, merged with the driver, the same for all.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { digestOf, put } from '../cache.ts'
import type { Progress } from '../progress.ts'
import { floorAllocator, merge } from '../replay/merge.ts'
import { freezable } from './frozen.ts'
import type { AllocatorInfo } from './results.ts'
import { buildRival, type Rival } from './rivals.ts'
import type { Contestant } from './tasks.ts'
import { labFolder } from './tools.ts'

export interface Prepared {
  contestants: Contestant[]
  allocators: AllocatorInfo[]
  missing: { what: string; why: string }[]
}

/** Builds and merges the floor and all rivals; those that cannot be had are listed with the reason. */
export async function prepare(rivals: Rival[], progress: Progress): Promise<Prepared> {
  const floor = merge(floorAllocator())
  const prepared: Prepared = {
    contestants: [{ id: 'floor', file: stored('floor', floor), alignment: 8 }],
    allocators: [],
    missing: [],
  }
  for (const rival of rivals) {
    const { id, title, source, note, alignment } = rival
    progress.show(`building ${title}`, 0)
    try {
      const wasm = readFileSync(await buildRival(rival))
      const merged = merge({ name: id, wasm })
      const frozen = stored(`${id}-frozen`, freezable({ name: id, wasm: merged }))
      prepared.contestants.push({ id, file: stored(id, merged), frozen, alignment })
      prepared.allocators.push({ id, title, version: rival.version(), source, note, alignment })
      progress.finish(`${title}: built`)
    } catch (error) {
      const why = (error as Error).message
      prepared.missing.push({ what: title, why })
      progress.finish(`${title} cannot be had: ${why}`)
    }
  }
  return prepared
}

/** Where a module is kept, by what is in it. */
export function stored(id: string, wasm: Uint8Array): string {
  const file = path.join(labFolder, 'merged', `${id}-${digestOf(wasm)}.wasm`)
  if (!existsSync(file)) put(file, wasm)
  return file
}
