// What malloc and free cost when JavaScript calls them.
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { allocators, cases, takesPart } from '../js/cases.ts'
import { timeCase } from '../js/timing.ts'
import type { Results } from './results.ts'
import { labFolder, outputOf } from './tools.ts'

/** Runs every case that can be repeated for about `seconds` each. */
export function measureBoundary(
  seconds: number,
  progress: (what: string) => void,
): Pick<Results, 'boundary' | 'missing'> {
  const glue = buildGlue()
  const repeated = Object.keys(cases).filter((title) => !cases[title].once)
  const results: Pick<Results, 'boundary' | 'missing'> = { boundary: [], missing: [] }
  for (const contestant of Object.keys(allocators(glue)))
    try {
      progress(contestant)
      for (const title of repeated.filter((title) => takesPart(contestant, title))) {
        const { mean, margin } = timeCase(title, contestant, seconds, glue)
        results.boundary.push({ case: title, contestant, ns: mean, margin })
      }
    } catch (error) {
      results.missing.push({ what: `the boundary to JavaScript: ${contestant}`, why: (error as Error).message })
    }
  return results
}

/** A program of Emscripten with nothing but malloc and free, and the JavaScript around it. */
function buildGlue(): string {
  const folder = path.join(labFolder, 'emscripten')
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, 'empty.c'), '')
  const settings = [
    'EXPORTED_FUNCTIONS=_malloc,_free',
    'ALLOW_MEMORY_GROWTH',
    'MODULARIZE',
    'ENVIRONMENT=node',
    'FILESYSTEM=0',
  ]
  const args = ['-O3', path.join(folder, 'empty.c'), '--no-entry', ...settings.map((setting) => `-s${setting}`)]
  const glue = path.join(folder, 'glue.js')
  // Debian's Emscripten finds its JavaScript tools by NODE_PATH, and must not find npm's binaryen, which is not of its age.
  outputOf('env', ['NODE_PATH=/usr/share/nodejs', 'PATH=/usr/bin:/bin', 'emcc', ...args, '-o', glue])
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "commonjs" }')
  return glue
}
