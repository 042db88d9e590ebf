// Runs tasks in a process of their own (worker.ts) and collects what it reports. A contestant that hangs in a step does not
// stop the lab: the process is ended, and another goes on without that contestant in that task.
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { labFolder } from './rivals.ts'
import type { Contestant, Job, Message, Task } from './worker.ts'

export const ENGINE_FLAGS = ['--no-liftoff', '--no-wasm-lazy-compilation', '--expose-gc']
const worker = path.join(path.dirname(fileURLToPath(import.meta.url)), 'worker.ts')

type Report = Exclude<Message, { step: string } | { done: number }>

export interface RunOptions {
  /** Which Node, by its path. */
  node?: string
  /** Seconds of CPU time that one replay may take; a step that says nothing for six times as long is hung. */
  limit: number
  /** Who need not try which task. */
  skip?: { task: number; contestant: string }[]
  progress(task: number, step: string, contestant: string): void
}

/** Runs the tasks and returns, for each, all that was reported. */
export async function runTasks(tasks: Task[], contestants: Contestant[], options: RunOptions): Promise<Report[][]> {
  const reports: Report[][] = tasks.map(() => [])
  const job: Job = { tasks, contestants, limit: options.limit, skip: [...(options.skip ?? [])], from: 0 }
  while (job.from < tasks.length) {
    const hung = await runOnce(job, reports, options)
    if (!hung) continue
    const { task, contestant, reason } = hung
    if (!contestant) throw new Error(`the measuring process failed in task ${task}: ${reason}`)
    job.skip.push({ task, contestant })
    reports[task] = job.skip
      .filter((skip) => skip.task === task)
      .map((skip) => ({ task, contestant: skip.contestant, fault: reason }))
  }
  return reports
}

interface Hung {
  task: number
  contestant?: string
  reason: string
}

function runOnce(job: Job, reports: Report[][], { node, limit, progress }: RunOptions): Promise<Hung | undefined> {
  mkdirSync(labFolder, { recursive: true })
  const file = path.join(labFolder, `job-${process.pid}.json`)
  writeFileSync(file, JSON.stringify(job))
  const child = spawn(node ?? process.execPath, [...ENGINE_FLAGS, '--import', 'tsx', worker, file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: path.dirname(worker),
  })
  return new Promise((resolve) => {
    let at: { task: number; contestant?: string } = { task: job.from }
    let overdue = false
    let errors = ''
    const watch = () =>
      setTimeout(() => {
        overdue = true
        child.kill('SIGKILL')
      }, limit * 6000)
    let timer = watch()
    child.stderr.on('data', (data) => {
      errors = (errors + data).slice(-2000)
    })
    createInterface(child.stdout).on('line', (line) => {
      clearTimeout(timer)
      timer = watch()
      const message: Message = JSON.parse(line)
      if ('done' in message) job.from = message.done + 1
      else if ('step' in message) {
        at = message
        progress(message.task, message.step, message.contestant ?? '')
      } else reports[message.task].push(message)
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (job.from >= job.tasks.length) resolve(undefined)
      else
        resolve({
          ...at,
          reason: overdue
            ? `hangs (nothing for ${limit * 6} s)`
            : `the process ends: ${signal ?? code} ${errors.trim()}`,
        })
    })
  })
}
