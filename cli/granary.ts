#!/usr/bin/env node
// The command `granary`.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseCommandLine } from './commandLine.ts'
import { link } from './link.ts'

const usage = `usage: granary link program.wasm -o linked.wasm [--heap-base ADDRESS] [--function NAME=INDEX|EXPORT ...]

Puts granary's malloc, free and their family into a finished WebAssembly module, in place of those
that it imports or of those that it contains, and optimises the result.

--heap-base ADDRESS     where the heap may begin, if the module does not say it: a number, or 0x and
                        hexadecimal digits; nothing of the program's may lie behind
--function NAME=INDEX   the function of this index in the module is C's malloc, free, calloc, ...; where
                        neither exports nor names say so
--function NAME=EXPORT  the same of the function that is exported by this name, as in Emscripten's
                        modules, whose exports are shortened`

const core = fileURLToPath(new URL('../../build/embed/granary.wasm', import.meta.url))

/** A number of the command line. Throws an Error that names the option. */
function numberOf(text: string, option: string): number {
  if (!/^(?:\d+|0x[\da-f]+)$/i.test(text)) throw new Error(`${option} takes a number, not ${text}`)
  return Number(text)
}

try {
  const options = {
    output: { type: 'string', short: 'o' },
    'heap-base': { type: 'string' },
    function: { type: 'string', multiple: true, default: [] as string[] },
    help: { type: 'boolean', short: 'h' },
  } as const
  const { values, positionals } = parseCommandLine({ options, allowPositionals: true })
  const [command, program] = positionals
  if (values.help) {
    console.log(usage)
  } else if (command !== 'link' || positionals.length !== 2 || values.output === undefined) {
    console.error(usage)
    process.exitCode = 2
  } else {
    if (!existsSync(core)) throw new Error('build/embed/granary.wasm is missing: npm run build:embed makes it')
    const base = values['heap-base']
    const heapBase = base === undefined ? undefined : numberOf(base, '--heap-base')
    const functions = new Map(
      values.function.map((text) => {
        const [, name, which] = /^(\w+)=(.+)$/.exec(text) ?? []
        if (!which) throw new Error(`--function takes NAME=INDEX or NAME=EXPORT, not ${text}`)
        return [/^\d+$/.test(which) ? Number(which) : which, name] as const
      }),
    )
    const { wasm, report } = await link(readFileSync(program), readFileSync(core), { heapBase, functions })
    writeFileSync(values.output, wasm)
    for (const name of report.imports) console.log(`provided  ${name}`)
    for (const name of report.replaced) console.log(`replaced  ${name}`)
    console.log(`heap      begins at ${report.heapBase}${base === undefined ? '' : ', as you said'}`)
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
