// The process that measures. The parent (runner.ts) writes the tasks to its input and reads a line of JSON for each step
// and each figure; if a step hangs, the parent ends this process and starts another that leaves the step out.
import { readFileSync, writeSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { collectGarbage, cpuTime } from '../replay/engine.ts'
import { Player, TooSlow } from '../replay/player.ts'
import type { Trace } from '../trace.ts'
import type { Footprint } from './results.ts'
import { quantile } from './stats.ts'
import { fillThenReplace } from './synthetic.ts'
import { BATCH, BUDGET, type Contestant, FEWEST, type Job, type Message, type Task } from './tasks.ts'
import { warmRounds } from './turns.ts'
import { loadWorkload, type Workload } from './workloads.ts'

/** Shares of slower operations: 1/2, then four steps a decade down to one in a million. */
const shares = [0.5, ...Array.from({ length: 25 }, (_, i) => 10 ** (-i / 4)).filter((share) => share < 0.5)]
/** All of a contestant's replays for latencies together may take so many times as long as one replay may. */
const LATENCY_LIMIT = 5

const send = (message: Message) => writeSync(1, `${JSON.stringify(message)}\n`)
const wallTime = () => performance.now() * 1e6

const job: Job = JSON.parse(readFileSync(0, 'utf8'))
const most = job.limit * 1e9
/** Everyone but the floor. */
const rivals = job.contestants.filter(({ id }) => id !== 'floor')
const compiled = new Map<string, WebAssembly.Module>()
for (const { file } of job.contestants) moduleOf(file)

for (let task = job.from; task < job.tasks.length; task++) {
  const out = new Set(job.skip.filter((skip) => skip.task === task).map(({ contestant }) => contestant))
  const tries: Tries = (contestants, step, attempt) => {
    for (const contestant of contestants) {
      const { id } = contestant
      if (out.has(id)) continue
      send({ step, task, contestant: id })
      try {
        attempt(contestant)
      } catch (error) {
        out.add(id)
        const reason = error instanceof TooSlow ? `not done after ${job.limit} s` : (error as Error).message
        send({ task, contestant: id, fault: reason })
      }
      collectGarbage()
    }
  }
  run(job.tasks[task], task, tries)
  send({ done: task })
}

/** The module in a file, compiled once. */
function moduleOf(file: string): WebAssembly.Module {
  const module = compiled.get(file) ?? new WebAssembly.Module(readFileSync(file))
  compiled.set(file, module)
  return module
}

/** A function that throws once this process has spent so much more CPU time, in nanoseconds. */
function deadline(limit: number): () => void {
  const start = cpuTime()
  return () => {
    if (cpuTime() - start > limit) throw new TooSlow()
  }
}

type Tries = (contestants: Contestant[], step: string, attempt: (contestant: Contestant) => void) => void

/** The contestants in an order that rotates with the repetition. */
function turn(repetition: number): Contestant[] {
  const at = repetition % job.contestants.length
  return [...job.contestants.slice(at), ...job.contestants.slice(0, at)]
}

/** What each contestant has spent of its BUDGET. */
function budget() {
  const spent = new Map<string, number>()
  return {
    goesOn: ({ id }: Contestant) => (spent.get(id) ?? 0) < BUDGET,
    spend: (id: string, time: number) => spent.set(id, (spent.get(id) ?? 0) + time),
  }
}

function run(work: Task, task: number, tries: Tries): void {
  if (work.kind === 'replay') timeReplays(work, task, tries)
  else if (work.kind === 'latency') timeOperations(work, task, tries)
  else if (work.kind === 'growth') timeGrowth(work, task, tries)
  else if (work.kind === 'peak') findPeaks(work, task, tries)
  else findFootprints(task, tries)
}

type TaskOf<Kind> = Extract<Task, { kind: Kind }>

/** Cold and warm times; before them the content check, and after them the residue, where they are asked for. */
function timeReplays(work: TaskOf<'replay'>, task: number, tries: Tries): void {
  const trace = loaded(work.workload, task)
  if (work.check)
    tries(rivals, 'checking', ({ file, alignment }) => {
      const player = new Player(moduleOf(file), trace)
      const inTime = deadline(most)
      player.check(alignment, inTime)
      player.checkDrain(inTime)
    })
  const { goesOn, spend } = budget()
  for (let repetition = 0; repetition < work.repetitions; repetition++) {
    const takePart = repetition < FEWEST ? turn(repetition) : turn(repetition).filter(goesOn)
    tries(takePart, `repetition ${repetition + 1}`, ({ id, file }) => {
      const start = cpuTime()
      const player = new Player(moduleOf(file), trace)
      const cold = player.time(cpuTime, most)
      const heap = player.heapBytes
      player.drain()
      const { warm, heapAgain } = repeated(player, trace)
      send({ task, contestant: id, cold, warm, heap, heapAgain })
      spend(id, cpuTime() - start)
    })
  }
  if (work.residue)
    tries(rivals, 'residue', ({ id, frozen }) => {
      if (frozen) send({ task, contestant: id, residue: residue(moduleOf(frozen), trace) })
    })
}

/** How long the slowest operations take, net of the floor, which is measured first. */
function timeOperations(work: TaskOf<'latency'>, task: number, tries: Tries): void {
  const trace = loaded(work.workload, task)
  const floor = job.contestants.filter(({ id }) => id === 'floor')
  let clock = 0
  let batch = 0
  tries([...floor, ...rivals], 'latency', ({ id, file }) => {
    const { single, batches } = minima(moduleOf(file), trace, work.repetitions)
    if (id === 'floor') {
      clock = quantile(single, 0.5)
      batch = quantile(batches, 0.5)
    }
    const net = (ns: number) => Math.max(0, ns - clock)
    const curve = shares.map((share) => ({ share, ns: net(quantile(single, 1 - share)) }))
    const p50 = Math.max(0, quantile(batches, 0.5) - batch)
    send({ task, contestant: id, clock, p50, curve, max: net(single[single.length - 1]) })
  })
}

/** What an operation takes while so many bytes are live. */
function timeGrowth(work: TaskOf<'growth'>, task: number, tries: Tries): void {
  for (const live of work.lives) {
    const { trace, filled } = fillThenReplace(live, 200_000)
    const { goesOn, spend } = budget()
    for (let repetition = 0; repetition < work.repetitions; repetition++)
      tries(turn(repetition).filter(goesOn), `${live >>> 20} MiB`, ({ id, file }) => {
        const start = cpuTime()
        const player = new Player(moduleOf(file), trace)
        player.time(cpuTime, most, 0, filled)
        const ns = player.time(cpuTime, most, filled)
        send({ task, contestant: id, live, ns, heap: player.heapBytes })
        spend(id, cpuTime() - start)
      })
  }
}

/** The memory after one replay, and how often it grew. */
function findPeaks(work: TaskOf<'peak'>, task: number, tries: Tries): void {
  const trace = loaded(work.workload, task)
  tries(job.contestants, 'replay', ({ id, file }) => {
    const player = new Player(moduleOf(file), trace)
    player.time(cpuTime, most)
    send({ task, contestant: id, heap: player.heapBytes, growths: player.exports.growths.value })
  })
}

/** The memory of small programs. */
function findFootprints(task: number, tries: Tries): void {
  tries(rivals, 'footprint', ({ id, file }) => {
    send({ task, contestant: id, footprint: footprint(moduleOf(file)) })
  })
}

/** The mean of all warm replays, in nanoseconds an operation, and the heap's bytes after the first of them. */
function repeated(player: Player, trace: Trace): { warm: number; heapAgain: number } {
  const rounds = warmRounds(trace)
  let sum = player.time(cpuTime, most)
  const heapAgain = player.heapBytes
  for (let round = 1; round < rounds; round++) {
    player.drain()
    sum += player.time(cpuTime, most)
  }
  return { warm: sum / rounds, heapAgain }
}

function loaded(workload: Workload, task: number): Trace {
  send({ step: 'loading', task })
  const trace = loadWorkload(workload)
  send({ task, workload: { operations: trace.operations, peak: trace.peak, largest: trace.largest } })
  return trace
}

/** The least nanoseconds that each operation, and each batch of operations, took in identical replays. */
function minima(
  module: WebAssembly.Module,
  trace: Trace,
  replays: number,
): { single: Float64Array; batches: Float64Array } {
  const single = new Float64Array(trace.operations).fill(Number.POSITIVE_INFINITY)
  const batches = new Float64Array(Math.floor(trace.operations / BATCH)).fill(Number.POSITIVE_INFINITY)
  const inTime = deadline(LATENCY_LIMIT * most)
  for (let replay = 0; replay < replays; replay++) {
    timeEach(new Player(module, trace), trace, single, inTime)
    collectGarbage()
    const player = new Player(module, trace)
    for (let i = 0; i < batches.length; i++) {
      const ns = player.time(wallTime, most, BATCH * i, BATCH * (i + 1))
      if (ns < batches[i]) batches[i] = ns
    }
    collectGarbage()
  }
  return { single: single.sort(), batches: batches.sort() }
}

function timeEach(player: Player, trace: Trace, least: Float64Array, inTime: () => void): void {
  const { memory, window_start } = player.exports
  let window = new Uint32Array(memory.buffer, window_start.value, 2)
  for (let i = 0; i < trace.operations; i++) {
    if (window.length === 0) window = new Uint32Array(memory.buffer, window_start.value, 2) // the memory has grown
    window[0] = trace.words[2 * i]
    window[1] = trace.words[2 * i + 1]
    const before = performance.now()
    player.one()
    const ns = (performance.now() - before) * 1e6
    if (ns < least[i]) least[i] = ns
    if ((i & 0xffff) === 0) inTime()
  }
}

/** Some allocators trap when memory is refused. */
function attempt(allocate: () => number): number {
  try {
    return allocate()
  } catch {
    return 0
  }
}

/** What part of the memory cannot be had as one block after everything was freed and the memory may not grow. */
function residue(module: WebAssembly.Module, trace: Trace): number {
  const player = new Player(module, trace)
  player.time(cpuTime, most)
  player.drain()
  player.exports.frozen.value = 1
  const { malloc, free } = player.exports
  let fits = 0
  let fails = player.heapBytes + 1
  while (fails - fits > player.heapBytes / 1000) {
    const size = Math.floor((fits + fails) / 2)
    const block = attempt(() => malloc(size))
    if (block) {
      free(block)
      fits = size
    } else fails = size
  }
  return 1 - fits / player.heapBytes
}

function footprint(module: WebAssembly.Module): Omit<Footprint, 'allocator'> {
  const nothing = { words: new Uint32Array(0), operations: 0, slots: 0, peak: 0, largest: 0 }
  const player = new Player(module, nothing)
  const start = player.heapBytes
  let live = 0
  const held = [1_000, 10_000, 100_000].map((bytes) => {
    for (let size = 16; live < bytes; size = size === 96 ? 16 : size + 16) {
      player.exports.malloc(size)
      live += size
    }
    return { bytes, heap: player.heapBytes }
  })
  return { start, held }
}
