// Runs tasks in a process of their own (worker.ts) and collects what it reports. A contestant that hangs in a step does not
// stop the lab: the process is ended, and another goes on without that contestant in that task. Where the task itself
// fails, another goes on with the next.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { root } from '../../scripts/run.mjs'
import { ENGINE_FLAGS } from '../replay/engine.ts'
import type { Contestant, Job, Message, Report, Task } from './tasks.ts'

const worker = path.join(root, 'bench/lab/worker.ts')

export interface RunOptions {
  /** Which Node, by its path. */
  node?: string
  /** Seconds of CPU time that one replay may take; a step that says nothing for six times as long is hung. */
  limit: number
  /** Who need not try which task. */
  skip?: { task: number; contestant: string }[]
  progress(task: number, step: string, contestant: string): void
  /** Takes all that was reported in a task, as soon as it is done. */
  done(task: number, reports: Report[]): void
  /** Is told of a task that cannot be done by anyone. Without it, the first such task is the end of all: it is thrown. */
  failed?(task: number, reason: string): void
}

/** Runs the tasks one after the other. */
export async function runTasks(tasks: Task[], contestants: Contestant[], options: RunOptions): Promise<void> {
  const job: Job = { tasks, contestants, limit: options.limit, skip: [...(options.skip ?? [])], from: 0 }
  let faults: Report[] = []
  while (job.from < tasks.length) {
    const hung = await runOnce(job, [...faults], options)
    if (!hung) continue
    const { task, contestant, reason } = hung
    if (!contestant) {
      if (!options.failed) throw new Error(reason)
      options.failed(task, reason)
      job.from = task + 1
      continue
    }
    job.skip.push({ task, contestant })
    faults = [...faults.filter((fault) => fault.task === task), { task, contestant, fault: reason }]
  }
}

interface Hung {
  task: number
  contestant?: string
  reason: string
}

/** Runs a process until all is done or a step ends it; `reports` of the first task are already known. */
function runOnce(job: Job, reports: Report[], { node, limit, progress, done }: RunOptions): Promise<Hung | undefined> {
  const child = spawn(node ?? process.execPath, [...ENGINE_FLAGS, '--import', 'tsx', worker], {
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: path.dirname(worker),
  })
  child.stdin.on('error', () => {}) // it ended before it had read the job, which `close` tells
  child.stdin.end(JSON.stringify(job))
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
      if ('done' in message) {
        job.from = message.done + 1
        done(message.done, reports.splice(0))
      } else if ('step' in message) {
        at = message
        progress(message.task, message.step, message.contestant ?? '')
      } else reports.push(message)
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (job.from >= job.tasks.length) resolve(undefined)
      else
        resolve({
          ...at,
          reason: overdue
            ? `hangs (nothing for ${limit * 6} s)`
            : `the process ends: ${signal ?? code} ${errors.match(/^\w*Error: .*$/m)?.[0] ?? errors.trim()}`,
        })
    })
  })
}
