// The process that times one case for one allocator, because what V8 has optimised for one it would use, or throw away, for the
// next: worker.ts CASE ALLOCATOR SECONDS [GLUE] prints a Timing as JSON.
import { Benchmark } from './benchmark.ts'
import { allocators, cases } from './cases.ts'
import type { Timing } from './timing.ts'

const [, , title, allocator, seconds, glue] = process.argv
const { blocks, once, prepare } = cases[title]
const work = await prepare(allocators(glue)[allocator])
console.log(JSON.stringify(once ? first() : repeated()))

function first(): Timing {
  const start = performance.now() // not CPU time, most of which other threads spend on optimising
  work()
  const ns = ((performance.now() - start) * 1e6) / blocks
  return { least: ns, mean: ns, margin: 0 }
}

function repeated(): Timing {
  const run = (maxTime: number) => new Benchmark(title, work, { maxTime, minTime: 0.02 }).run()
  run(0.1) // until V8 has optimised it
  const { stats, error } = run(Number(seconds))
  if (error) throw error
  const perBlock = 1e9 / blocks
  return { least: Math.min(...stats.sample) * perBlock, mean: stats.mean * perBlock, margin: stats.rme }
}
