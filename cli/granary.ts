#!/usr/bin/env node
// The command `granary`.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseCommandLine } from './commandLine.ts'
import { link } from './link.ts'

const usage = `usage: granary link program.wasm -o linked.wasm

Puts granary's malloc, free and their family into a finished WebAssembly module, in place of those
that it imports or of those that it contains, and optimises the result.`

const core = fileURLToPath(new URL('../../build/embed/granary.wasm', import.meta.url))

try {
  const options = { output: { type: 'string', short: 'o' }, help: { type: 'boolean', short: 'h' } } as const
  const { values, positionals } = parseCommandLine({ options, allowPositionals: true })
  const [command, program] = positionals
  if (values.help) {
    console.log(usage)
  } else if (command !== 'link' || positionals.length !== 2 || values.output === undefined) {
    console.error(usage)
    process.exitCode = 2
  } else {
    if (!existsSync(core)) throw new Error('build/embed/granary.wasm is missing: npm run build:embed makes it')
    const { wasm, report } = await link(readFileSync(program), readFileSync(core))
    writeFileSync(values.output, wasm)
    for (const name of report.imports) console.log(`provided  ${name}`)
    for (const name of report.replaced) console.log(`replaced  ${name}`)
    console.log(
      report.errno ? 'errno     set' : 'errno     not set: the module does not export it (-Wl,--export=errno)',
    )
    const { before, optimised, after } = report
    console.log(`${program}: ${before} bytes, ${optimised} when optimised; with granary ${after}`)
  }
} catch (error) {
  // binaryen throws objects that are no errors.
  console.error(`granary: ${(error as { message?: string }).message ?? error}`)
  process.exitCode = 1
}
