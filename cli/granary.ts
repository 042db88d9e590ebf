#!/usr/bin/env node
// The command `granary`.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { LAST_BASE } from './addresses.ts'
import { parseCommandLine, UsageError } from './commandLine.ts'
import { link } from './link.ts'
import type { LinkOptions } from './plan.ts'

const usage = `usage: granary link program.wasm -o linked.wasm [--heap-base ADDRESS] [--function NAME=INDEX|EXPORT ...]
       granary --version

Puts granary's malloc, free and their family into a finished WebAssembly module, in place of those
that it imports or of those that it contains, and optimises the result.

--heap-base ADDRESS     where the heap may begin, if the module does not say so: a number, or 0x and
                        hexadecimal digits; the program must keep nothing of its own from there on
--function NAME=INDEX   the function with this index in the module, where imported ones come first, is
                        C's malloc, free, calloc, ...; for one that no export or name tells of
--function NAME=EXPORT  the same for the function that is exported by this name, as in modules whose
                        exports Emscripten has shortened`

/** How to build a module that says where its errno is. */
const exportErrno = '-Wl,--export=errno; with Emscripten -sEXPORTED_FUNCTIONS=…,___errno_location'

const packageFile = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url))
const core = packageFile('build/embed/granary.wasm')

function parseHeapBase(text: string): number {
  if (!/^(?:\d+|0x[\da-f]+)$/i.test(text)) throw new UsageError(`--heap-base takes a number, not ${text}`)
  if (Number(text) > LAST_BASE) throw new UsageError(`--heap-base ${text} is where no heap can begin`)
  return Number(text)
}

/** What one `--function` says: the name in C of the function with an index, or of the one that is exported by a name. */
function parseFunction(text: string): [which: number | string, name: string] {
  const [, name, which] = /^(\w+)=(.+)$/.exec(text) ?? []
  if (!which) throw new UsageError(`--function takes NAME=INDEX or NAME=EXPORT, not ${text}`)
  return [/^\d+$/.test(which) ? Number(which) : which, name]
}

/** What the command line asks for: the usage, the version, or to link a module. Throws a UsageError if it is none of these. */
function readCommandLine() {
  const options = {
    output: { type: 'string', short: 'o' },
    'heap-base': { type: 'string' },
    function: { type: 'string', multiple: true, default: [] as string[] },
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean' },
  } as const
  const { values, positionals } = parseCommandLine({ options, allowPositionals: true })
  const { help, version, output } = values
  if (help) return 'help'
  if (version) return 'version'
  const [command, program, ...others] = positionals
  if (command === undefined) throw new UsageError('no command is given')
  if (command !== 'link') throw new UsageError(`no command is called ${command}`)
  if (program === undefined) throw new UsageError('no module is given')
  if (others.length > 0) throw new UsageError(`${others.length + 1} modules are given`)
  if (output === undefined) throw new UsageError('-o is missing')
  const base = values['heap-base']
  const heapBase = base === undefined ? undefined : parseHeapBase(base)
  return { program, output, linkOptions: { heapBase, functions: parseFunctions(values.function) } }
}

/** What all `--function` say; refuses two of one function. */
function parseFunctions(texts: string[]): Map<number | string, string> {
  const functions = new Map<number | string, string>()
  for (const [which, name] of texts.map(parseFunction)) {
    const other = functions.get(which) ?? name
    if (other !== name) throw new UsageError(`--function says of ${which} that it is ${other}, and that it is ${name}`)
    functions.set(which, name)
  }
  return functions
}

function readProgram(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    // Node's sentence does not name it.
    if ((error as NodeJS.ErrnoException).code === 'EISDIR') throw new Error(`${file} is a directory`)
    throw error
  }
}

async function linkFile(program: string, output: string, options: LinkOptions): Promise<void> {
  if (!existsSync(core)) throw new Error('build/embed/granary.wasm is missing: npm run build:embed makes it')
  const { wasm, report } = await link(readProgram(program), readFileSync(core), options)
  writeFileSync(output, wasm)
  for (const name of report.imports) console.log(`provided  ${name}`)
  for (const name of report.replaced) console.log(`replaced  ${name}`)
  console.log(`heap      begins at ${report.heapBase}${options.heapBase === undefined ? '' : ', as you said'}`)
  console.log(report.errno ? 'errno     set' : `errno     not set: the module does not export it (${exportErrno})`)
  const { before, optimised, after } = report
  console.log(`${program}: ${before} bytes, ${optimised} when optimised; with granary ${after}`)
}

try {
  const asked = readCommandLine()
  if (asked === 'help') console.log(usage)
  else if (asked === 'version') console.log(JSON.parse(readFileSync(packageFile('package.json'), 'utf8')).version)
  else await linkFile(asked.program, asked.output, asked.linkOptions)
} catch (error) {
  // binaryen throws objects that are no errors.
  console.error(`granary: ${(error as { message?: string }).message ?? error}`)
  if (error instanceof UsageError) console.error(`\n${usage}`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
