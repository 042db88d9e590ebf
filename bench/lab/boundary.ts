// What a pair of malloc and free costs when JavaScript calls it.
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../../scripts/run.mjs'
import type { Results } from './results.ts'
import { granaryModule, labFolder, text } from './rivals.ts'

/** Runs every case for about `seconds` each. */
export function measureBoundary(
  seconds: number,
  progress: (what: string) => void,
): Pick<Results, 'boundary' | 'missing'> {
  const worker = path.join(root, 'bench/lab/boundary-worker.ts')
  const args = ['--import', 'tsx', worker, granaryModule, buildGlue(), String(seconds)]
  const results: Pick<Results, 'boundary' | 'missing'> = { boundary: [], missing: [] }
  for (const name of JSON.parse(text(process.execPath, args)))
    try {
      progress(name)
      for (const line of text(process.execPath, [...args, name]).split('\n')) results.boundary.push(JSON.parse(line))
    } catch (error) {
      results.missing.push({ what: `the boundary to JavaScript: ${name}`, why: (error as Error).message })
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
  text('env', ['NODE_PATH=/usr/share/nodejs', 'PATH=/usr/bin:/bin', 'emcc', ...args, '-o', glue])
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "commonjs" }')
  return glue
}
