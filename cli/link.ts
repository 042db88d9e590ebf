// Puts granary into a finished module: in place of the malloc that it imports, or of the one that it contains.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type binaryenModule from 'binaryen'
import { checkBegin, checkGiven, checkHeaders, checkState } from './checks.ts'
import { LinkError } from './error.ts'
import { findFamily, functionOf } from './functions.ts'
import { breakOf, checkGrowth, findGrowth, type Growth, growFunction } from './growth.ts'
import { customSections, functionNames, withSections } from './sections.ts'
import {
  dataEnd,
  exportsOf,
  type Field,
  importFrom,
  labelOf,
  nameOf,
  parseFields,
  printFields,
  signatureOf,
  stackTop,
} from './text.ts'

type Binaryen = typeof binaryenModule

/** What the user says of a module that does not say it. */
export interface LinkOptions {
  /** The address where its heap may begin. */
  heapBase?: number
  /** Functions of the family: their names in C by their indices in the module, in which the imported ones come first, or by the names
   *  of their exports. */
  functions?: Map<number | string, string>
}

/** What `link` did. Sizes in bytes. */
export interface LinkReport {
  /** The address where the heap begins. */
  heapBase: number
  /** The imports that granary now provides, as `module.name`. */
  imports: string[]
  /** The functions of the module that are now granary's. */
  replaced: string[]
  /** Whether the module says where its errno is. */
  errno: boolean
  before: number
  /** The size of the module with the allocator that it came with, optimised and freed of debug information as the linked one is. */
  optimised: number
  after: number
}

const heapBaseNames = ['__heap_base', '~lib/memory/__heap_base']

/** Links granary's core into a program. Throws a LinkError where that would not be safe. */
export async function link(
  program: Uint8Array,
  core: Uint8Array,
  options: LinkOptions = {},
): Promise<{ wasm: Uint8Array; report: LinkReport }> {
  const { default: binaryen } = await import('binaryen').catch(() => {
    throw new LinkError('granary link needs binaryen: npm install --save-dev binaryen')
  })
  const sections = isModule(program) ? customSections(program) : []
  if (sections.some(({ name }) => name === 'linking'))
    throw new LinkError('this is an object file, not a module: give granary.o to the linker, with it')
  if (sections.some(({ name }) => name === 'dylink.0'))
    throw new LinkError(
      'this module is linked when it is loaded (it has dylink.0): only then is it known where its heap may begin',
    )
  const app = parseFields(read(binaryen, program).emitText())
  const heap = parseFields(read(binaryen, core).emitText())
  const memory = findMemory(app)
  const names = [...functionNames(program).values()]
  if (names.some((name) => name === 'granary_set_errno' || name.startsWith('assembly/malloc/')))
    throw new LinkError('granary is in this module already')
  const { imports, replaced } = findFamily(app, heap, names, options.functions)
  const growth = findGrowth(app, replaced)
  const heapBase = findHeapBase(app, memory.size, options.heapBase, growth)
  const errno = findErrno(app)
  const simple = parseFields(simplified(binaryen, program).emitText())
  checkState(simple, replaced)
  checkHeaders(simple, replaced)
  if (growth) checkGrowth(simple, replaced, growth)
  // Where its initial memory ends a program can keep nothing; but the number, being round, is often in use for something else.
  if (options.heapBase !== memory.size) checkBegin(simple, replaced, heapBase)
  if (options.heapBase !== undefined) checkGiven(simple, replaced, heapBase, memory.size, memory.isImported)

  const linked = app.map((field) => {
    if (field.kind !== 'func') return field
    const base = replaced.get(field.id)
    if (base !== undefined) return { ...field, text: callGranary(field, base) }
    const name = imports.get(field.id)
    return name === undefined ? field : importFrom(field, 'granary', `granary.${name}`)
  })
  const targets = [...new Set(replaced.values())].map((name) => field(importOf(name, heap)))
  const lent = [
    `(export "granary.memory" (memory ${memory.id}))`,
    `(global ${ownBase} i32 (i32.const ${heapBase}))`,
    `(export "granary.__heap_base" (global ${ownBase}))`,
    `(global ${ownEnd} i32 (i32.const ${memory.isImported ? 0 : memory.size}))`,
    `(export "granary.__heap_end" (global ${ownEnd}))`,
    ...(errno ? [] : [`(global ${nowhere} i32 (i32.const 0))`]),
    `(export "granary.errno" (global ${errno ?? nowhere}))`,
    ...(growth ? [growFunction(grow, growth), `(export "granary.grow" (func ${grow}))`] : []),
  ].map(field)
  const exported = new Set(exportsOf(app).map((entry) => entry.name))
  const taken = [...exported].find((name) => name.startsWith('granary.'))
  if (taken) throw new LinkError(`the module exports ${taken}: names that begin so are used for linking`)
  const merged = merge(
    binaryen,
    printFields([...targets, ...linked, ...lent]),
    printFields(growth ? growBy(heap.map(lendFrom)) : heap.map(lendFrom)),
  )
  for (const { name } of exportsOf(parseFields(merged.emitText()))) if (!exported.has(name)) merged.removeExport(name)

  // What other tools keep in a module, such as the types of a component's interface.
  const kept = sections.filter(({ name }) => !isOutdated.test(name))
  const optimised = (module: ReturnType<typeof read>) =>
    withSections(optimise(binaryen, module, names.length > 0), kept)
  const wasm = optimised(merged)
  const report = {
    heapBase,
    imports: app.flatMap(({ kind, id, from }) =>
      from && kind === 'func' && imports.has(id) ? [`${from.module}.${from.name}`] : [],
    ),
    replaced: [...replaced].map(([id, base]) =>
      nameOf(id) === base ? base : `${base} (function ${labelOf(id, app)})`,
    ),
    errno: errno !== undefined,
    before: program.length,
    optimised: optimised(read(binaryen, program)).length,
    after: wasm.length,
  }
  return { wasm, report }
}

/** What programs may use: whatever C, C++ and Rust compilers emit and the engines of today run. binaryen's names for it in its library and in its tools. */
const features = {
  Atomics: 'threads',
  BulkMemory: 'bulk-memory',
  BulkMemoryOpt: 'bulk-memory-opt',
  CallIndirectOverlong: 'call-indirect-overlong',
  ExceptionHandling: 'exception-handling',
  ExtendedConst: 'extended-const',
  Multivalue: 'multivalue',
  MutableGlobals: 'mutable-globals',
  NontrappingFPToInt: 'nontrapping-float-to-int',
  ReferenceTypes: 'reference-types',
  RelaxedSIMD: 'relaxed-simd',
  SIMD128: 'simd',
  SignExt: 'sign-ext',
  TailCall: 'tail-call',
} as const

/** Custom sections that say what is no longer so when a module was linked: binaryen writes the names anew. */
const isOutdated = /^(?:name|target_features|linking|reloc\..*|\.debug_.*|sourceMappingURL|external_debug_info)$/

/** The address of errno, in a module that does not say it. */
const nowhere = '$"granary.errno"'
/** The function that grows the memory, where the module's host must hear of that. */
const grow = '$"granary.grow"'
/** Where the module's heap begins. */
const ownBase = '$"granary.__heap_base"'
/** Where the memory ends that the module begins with; 0 if that is for its host to say. */
const ownEnd = '$"granary.__heap_end"'

const field = (text: string): Field => ({ text: ` ${text}`, kind: '', id: '' })

/** Whether bytes begin as a module's do. */
const isModule = (bytes: Uint8Array) => Buffer.from(bytes.subarray(0, 8)).equals(Buffer.from('\0asm\x01\0\0\0'))

function read(binaryen: Binaryen, wasm: Uint8Array) {
  try {
    return binaryen.readBinary(wasm)
  } catch {
    throw new LinkError('this is not a WebAssembly module that binaryen can read')
  }
}

function allow(binaryen: Binaryen, module: ReturnType<typeof read>) {
  const names = Object.keys(features) as (keyof typeof features)[]
  module.setFeatures(names.reduce<number>((sum, name) => sum | binaryen.Features[name], 0))
}

/** The program with its constants where they are used, and a local for each value where paths do not meet. */
function simplified(binaryen: Binaryen, program: Uint8Array) {
  const module = read(binaryen, program)
  allow(binaryen, module)
  module.runPasses(['precompute-propagate', 'optimize-instructions', 'ssa-nomerge'])
  return module
}

/** The global that the module exports, or itself calls, by one of these names. */
function globalOf(app: Field[], names: string[]): Field | undefined {
  const exported = exportsOf(app).find((entry) => entry.kind === 'global' && names.includes(entry.name))
  return app.find(({ kind, id }) => kind === 'global' && (id === exported?.id || names.includes(nameOf(id))))
}

const constant = /^ \(global \S+ i32 \(i32\.const (-?\d+)\)\)/

interface Memory {
  id: string
  /** The bytes that the program begins with; where the memory is imported, those that it asks for at least. */
  size: number
  isImported: boolean
}

/** The program's memory; refuses one that one heap cannot serve. */
function findMemory(app: Field[]): Memory {
  const memories = app.filter((field) => field.kind === 'memory')
  if (memories.length !== 1) throw new LinkError(`the module has ${memories.length} memories: granary serves one`)
  const [memory] = memories
  const [, is64, pages, isShared] = /( i64)? (\d+)(?: \d+)?( shared)?\)+$/.exec(memory.text) ?? []
  if (is64) throw new LinkError('the memory has 64-bit addresses, which granary does not serve')
  if (isShared) throw new LinkError('the memory is shared between threads, which this core does not serve')
  return { id: memory.id, size: Number(pages) * 65536, isImported: memory.from !== undefined }
}

/** The address where the heap may begin: the module says it or, where it does not, the user. Refuses data behind it. */
function findHeapBase(app: Field[], size: number, given?: number, growth?: Growth): number {
  const end = dataEnd(app)
  if (end === Number.POSITIVE_INFINITY) {
    throw new LinkError(
      'the module puts data at an address that is no constant: it may be behind the one where the heap begins',
    )
  }
  const own = globalOf(app, heapBaseNames)
  const initialBreak = !own && growth ? breakOf(app, growth, size) : undefined
  if ((own || initialBreak !== undefined) && given !== undefined) {
    throw new LinkError('the module says itself where its heap may begin: leave out --heap-base')
  }
  if (given !== undefined) {
    if (end > given) throw new LinkError(`the module has data up to ${end}, behind --heap-base ${given}`)
    return given
  }
  if (initialBreak !== undefined) return initialBreak
  if (!own) {
    const top = stackTop(app)
    // Linkers put the stack behind all variables or in front of them. In front of them it does not tell where those without data end.
    const isLast = end > 0 && end <= top && top <= size
    const reason = isLast
      ? `its stack, which is behind its data, begins at ${top}`
      : `its initial memory ends at ${size}`
    throw new LinkError(
      `the module does not say where its heap may begin: link it with -Wl,--export=__heap_base, or say --heap-base ${isLast ? top : size} if you know that the program keeps nothing of its own behind that address (${reason})`,
    )
  }
  const value = constant.exec(own.text)
  if (!value) throw new LinkError('__heap_base is not a constant')
  const address = Number(value[1]) >>> 0
  if (end > address) {
    throw new LinkError(
      'the module has data behind __heap_base: it was initialised before it was stored and holds blocks of its old heap; link it before that',
    )
  }
  return address
}

/** The global that holds the address of errno, which linkers make where they are told to export it. */
function findErrno(app: Field[]): string | undefined {
  const errno = globalOf(app, ['errno'])
  return errno && constant.test(errno.text) ? errno.id : undefined
}

const imported = (name: string) => `$"granary.${name}"`
const types = (name: string, heap: Field[]) => signatureOf(functionOf(name, heap)).split(' -> ')

/** The import by which a program gets one of granary's functions. */
function importOf(name: string, heap: Field[]): string {
  const [params, results] = types(name, heap)
  return `(import "granary" "granary.${name}" (func ${imported(name)} (param ${params}) (result ${results})))`
}

/** A function that does nothing but call granary's. */
function callGranary(field: Field, name: string): string {
  const [params, results] = signatureOf(field).split(' -> ')
  const operands = params.split(' ').map((_, index) => `(local.get ${index})`)
  return ` (func ${field.id} (param ${params}) (result ${results})\n  (call ${imported(name)} ${operands.join(' ')})\n )`
}

/** The core's fields, taking memory and addresses from the program and set_errno from itself, and with exports that no program has too. */
function lendFrom(field: Field): Field {
  if (field.text.startsWith(' (export "')) return { ...field, text: field.text.replace('"', '"granary.') }
  if (!field.from) return field
  const { name } = field.from
  return field.kind === 'func'
    ? importFrom(field, 'granary', `granary.granary_${name}`)
    : importFrom(field, 'program', `granary.${name}`)
}

/** The core's fields, which have the program's function grow the memory. */
function growBy(heap: Field[]): Field[] {
  const fields = heap.map((field) => ({ ...field, text: field.text.replaceAll('(memory.grow', `(call ${grow}`) }))
  return [field(`(import "program" "granary.grow" (func ${grow} (param i32) (result i32)))`), ...fields]
}

/** Merges the two modules with binaryen's tool: there is no function for it in the library. */
function merge(binaryen: Binaryen, app: string, heap: string) {
  const folder = mkdtempSync(path.join(tmpdir(), 'granary-'))
  try {
    const file = (name: string, text: string) => {
      const module = binaryen.parseText(text)
      allow(binaryen, module)
      binaryen.setDebugInfo(true)
      writeFileSync(path.join(folder, name), module.emitBinary())
      return path.join(folder, name)
    }
    const output = path.join(folder, 'merged.wasm')
    const modules = [file('program.wasm', app), 'program', file('granary.wasm', heap), 'granary']
    const tool = createRequire(import.meta.url).resolve('binaryen/bin/wasm-merge')
    const enabled = Object.values(features).map((name) => `--enable-${name}`)
    const args = [tool, ...modules, '-o', output, ...enabled, '--skip-export-conflicts', '-g']
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    if (status !== 0) {
      const feature = /--enable-([\w-]+)/.exec(stderr)?.[1]
      throw new LinkError(
        feature === undefined
          ? `wasm-merge failed: ${stderr}`
          : `the module uses a feature of WebAssembly that granary link does not serve: ${feature}`,
      )
    }
    return read(binaryen, readFileSync(output))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Optimises for speed. To inline more than binaryen does by itself doubled a small program and gained a twentieth at most. What has
 *  one caller only stays a function of its own if it is large, or malloc and free would be too large for engines to inline. */
function optimise(binaryen: Binaryen, module: ReturnType<typeof read>, keepNames: boolean): Uint8Array {
  binaryen.setOptimizeLevel(3)
  binaryen.setShrinkLevel(0)
  binaryen.setOneCallerInlineMaxSize(80)
  binaryen.setDebugInfo(keepNames)
  allow(binaryen, module)
  module.runPasses(['strip-dwarf'])
  module.optimize()
  return module.emitBinary()
}
