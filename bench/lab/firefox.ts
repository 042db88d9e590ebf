// The same replay in the current Firefox: a page that replays, and the server that it has its traces from and its figures for.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { type EnginePlan, jobOf, type Replayed, scoreOf, toReplayed, turnsScript } from './engineParts.ts'

export const firefox = '/usr/lib/firefox-esr/firefox-esr'

const preferences = {
  'privacy.reduceTimerPrecision': false,
  'javascript.options.wasm_baselinejit': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'app.update.enabled': false,
  'dom.max_script_run_time': 0,
}

/** A page that asks for the jobs, replays one after the other and sends the turns of each. */
const replayingPage = () => `<script type="module">${turnsScript()}${scoreOf}
const fetched = async (name) => (await fetch('/file?' + encodeURIComponent(name))).arrayBuffer()
const clock = () => performance.now() * 1e6
for (const { file, largest, modules, repetitions, most } of await (await fetch('/jobs')).json()) {
  const compiled = []
  for (const { name, file } of modules) compiled.push({ name, module: await WebAssembly.compile(await fetched(file)) })
  const played = turns.playInTurns(compiled, scoreOf(await fetched(file), largest), repetitions, clock, most)
  await fetch('/turns', { method: 'POST', body: JSON.stringify(played) })
}
</script>`

/** Serves the page, opens it in a Firefox without a window, and waits for its figures. */
export async function runFirefox(plan: EnginePlan, progress: (step: string) => void): Promise<Replayed[]> {
  const page = replayingPage()
  const jobs = plan.workloads.map((workload) => ({ workload, ...jobOf(workload, plan) }))
  const files = jobs.flatMap(({ file, modules }) => [file, ...modules.map((module) => module.file)])
  const results: Replayed[] = []
  const profile = mkdtempSync(path.join(tmpdir(), 'granary-firefox-'))
  const lines = Object.entries(preferences).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${value});\n`)
  writeFileSync(path.join(profile, 'user.js'), lines.join(''))
  const server = createServer()
  let browser: ChildProcess | undefined
  let timer: NodeJS.Timeout | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      let done = 0
      const awaitNext = () => {
        clearTimeout(timer)
        timer = setTimeout(() => reject(new Error('Firefox does not answer')), 60_000 + 10_000 * plan.limit)
        progress(jobs[done].workload.id)
      }
      const answer = async (request: IncomingMessage, response: ServerResponse) => {
        const [place, query = ''] = (request.url ?? '').split('?')
        const name = decodeURIComponent(query)
        if (place === '/') response.setHeader('content-type', 'text/html').end(page)
        else if (place === '/jobs') response.end(JSON.stringify(jobs))
        else if (place === '/file' && files.includes(name)) response.end(readFileSync(name))
        else if (place === '/turns') {
          results.push(...toReplayed(jobs[done++].workload, JSON.parse(await text(request))))
          response.end()
          if (done < jobs.length) awaitNext()
          else resolve()
        } else response.writeHead(404).end()
      }
      server.on('request', (request, response) => answer(request, response).catch(reject))
      server.listen(0, '127.0.0.1', () => {
        awaitNext()
        const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
        browser = spawn(firefox, ['--headless', '--no-remote', '--profile', profile, address], {
          stdio: 'ignore',
          env: { ...process.env, HOME: profile },
        })
        browser.on('error', reject)
      })
    })
    return results
  } finally {
    clearTimeout(timer)
    server.close()
    server.closeAllConnections()
    if (browser?.kill()) await once(browser, 'close')
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}
