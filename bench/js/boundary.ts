// npm run bench:js: what malloc and free cost from JavaScript: through a Heap, by the raw exports, through the loader's
// wrappers, and what one would use instead.
import { quantile } from 'd3-array'
import { refuseArguments } from '../../scripts/run.mjs'
import { processor, system } from '../machine.ts'
import { allocators, cases, RAW, takesPart } from './cases.ts'
import { timeCase } from './timing.ts'

const ROUNDS = 7
const SECONDS = 0.3

const usage = `npm run bench:js

What malloc and free cost when JavaScript calls them, over the raw exports.`

function report(): void {
  console.log(`${processor()}, ${system()}; Node ${process.version}, V8 ${process.versions.v8}`)
  console.log(`${new Date().toISOString().slice(0, 10)}; time of ${RAW} = 1; least of ${ROUNDS} processes (median)`)
  for (const title of Object.keys(cases)) {
    const names = Object.keys(allocators()).filter((name) => takesPart(name, title))
    const times: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]))
    for (let round = 0; round < ROUNDS; round++)
      for (const name of names) times[name].push(timeCase(title, name, SECONDS).least)
    const at = (name: string, share: number) => quantile(times[name], share) as number
    console.log(`\n${title}`)
    for (const name of names) {
      const [least, middle] = [0, 0.5].map((share) => (at(name, share) / at(RAW, share)).toFixed(3))
      console.log(`  ${name.padEnd(24)} ${least.padStart(8)}  (${middle})`)
    }
  }
}

refuseArguments(usage)
report()
