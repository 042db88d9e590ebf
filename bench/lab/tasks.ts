// What the lab has its worker do (worker.ts), what that reports, and the rules by which it repeats.
import type { Footprint } from './results.ts'
import type { Workload } from './workloads.ts'

export interface Contestant {
  id: string
  /** The merged module. */
  file: string
  /** The same, with a switch that refuses growth (frozen.ts). */
  frozen?: string
  alignment: number
}

export type Task =
  | { kind: 'replay'; workload: Workload; repetitions: number; check: boolean; residue: boolean }
  | { kind: 'latency'; workload: Workload; repetitions: number }
  | { kind: 'growth'; lives: number[]; repetitions: number }
  | { kind: 'footprint' }
  | { kind: 'peak'; workload: Workload }

export interface Job {
  tasks: Task[]
  contestants: Contestant[]
  /** Seconds of CPU time that one replay may take. */
  limit: number
  /** Who is left out of which task: it hung there, or it failed on the same workload before. */
  skip: { task: number; contestant: string }[]
  /** Where to begin. */
  from: number
}

export type Message =
  | { step: string; task: number; contestant?: string }
  | { task: number; contestant: string; fault: string }
  | { task: number; workload: { operations: number; peak: number; largest: number } }
  | { task: number; contestant: string; cold: number; warm: number; heap: number; heapAgain: number }
  | { task: number; contestant: string; residue: number }
  | {
      task: number
      contestant: string
      clock: number
      p50: number
      curve: { share: number; ns: number }[]
      max: number
    }
  | { task: number; contestant: string; live: number; ns: number; heap: number }
  | { task: number; contestant: string; footprint: Omit<Footprint, 'allocator'> }
  | { task: number; contestant: string; heap: number; growths: number }
  | { done: number }

/** What is told of a task: all but the steps. */
export type Report = Exclude<Message, { step: string } | { done: number }>

/**
 * So many repetitions of a replay are always made, and more while a contestant has spent less CPU time on them than BUDGET, in
 * nanoseconds: where one takes long, a few are enough to tell it from the others.
 */
export const FEWEST = 3
export const BUDGET = 3e9

/** Operations in a batch, whose time tells the median latency. */
export const BATCH = 32
