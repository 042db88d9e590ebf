// Real programs, their sources unchanged, each built twice: with its toolchain's allocator and with granary. Both must print the same.

import { spawnSync } from 'node:child_process'
import { cpSync } from 'node:fs'
import path from 'node:path'
import { type Estimate, estimate } from '../../bench/lab/stats.ts'
import { equal, root, shell, type Test, tools, workFolder } from './harness.ts'

interface Program {
  name: string
  toolchain: string
  /** The allocator that granary is compared with. */
  rival: string
  kind: 'wasi' | 'emscripten' | 'assemblyscript'
  /** A script that builds the files `rival` and `granary`, with `suffix`. */
  script: string
  suffix?: string
}

const vendor = path.join(tools, 'sources/vendor')
const here = path.join(root, 'tests/embed/programs')
const objects = path.join(root, 'build/embed')

/** Compiles each C file once, and links them without and with granary. */
function c(compiler: string, files: string, options: string, libraries = ''): string {
  const target = `${compiler} --target=wasm32-wasi -O2 --no-wasm-opt`
  return `
    for file in ${files}; do ${target} ${options} -w -c $file -o $(basename $file).o; done
    ${target} *.o ${libraries} -o rival.wasm
    ${target} *.o ${objects}/granary.o ${libraries} -o granary.wasm`
}

const sqlite = `${vendor}/libsqlite3-sys/sqlite3`
const sqliteOptions = '-DSQLITE_OS_OTHER=1 -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -D_WASI_EMULATED_GETPID'
const quickjs = `${vendor}/libquickjs-sys/embed/quickjs`
const quickjsFiles = ['quickjs', 'libregexp', 'libunicode', 'cutils', 'libbf'].map((name) => `${quickjs}/${name}.c`)
const quickjsOptions = `-I ${quickjs} -DEMSCRIPTEN -D_GNU_SOURCE -DCONFIG_VERSION='"0"' -DFE_DOWNWARD=0 -DFE_UPWARD=0`
const lua = `${vendor}/lua-src/lua-5.4.7`
const luaFiles = `$(ls ${lua}/*.c | grep -vE '/(lua|luac|linit|liolib|loslib|loadlib|ldblib|lutf8lib|lmathlib|lcorolib)\\.c$')`
const luaOptions = `-D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -I ${here}/lua -I ${lua} -Dluai_jmpbuf=int '-DLUAI_THROW(L,c)=__builtin_trap()' '-DLUAI_TRY(L,c,a)={a}'`
const zlib = `${vendor}/libz-sys/src/zlib`
const zlibFiles = [
  'adler32',
  'compress',
  'crc32',
  'deflate',
  'inffast',
  'inflate',
  'inftrees',
  'trees',
  'uncompr',
  'zutil',
]
const json = `${tools}/sources/cJSON-1.7.15`
const documents = `${here}/documents.c ${json}/cJSON.c ${zlibFiles.map((name) => `${zlib}/${name}.c`).join(' ')}`
const rustTarget = 'target/wasm32-wasi/release/collections.wasm'
const emcc = 'emcc -O3 -w -sALLOW_MEMORY_GROWTH -sMODULARIZE -sEXPORTED_RUNTIME_METHODS=callMain -sINVOKE_RUN=0'

export const programs: Program[] = [
  {
    name: 'SQLite',
    toolchain: 'C, wasi-libc',
    rival: 'dlmalloc',
    kind: 'wasi',
    script: c(
      'clang-22',
      `${here}/sqlite.c ${sqlite}/sqlite3.c ${sqlite}/wasm32-wasi-vfs.c`,
      `-I ${sqlite} ${sqliteOptions}`,
    ),
  },
  {
    name: 'Lua',
    toolchain: 'C, wasi-libc',
    rival: 'dlmalloc',
    kind: 'wasi',
    script: c(
      'clang-22',
      `${here}/lua/main.c ${luaFiles}`,
      luaOptions,
      '-lwasi-emulated-signal -lwasi-emulated-process-clocks',
    ),
  },
  {
    name: 'QuickJS',
    toolchain: 'C, wasi-libc',
    rival: 'dlmalloc',
    kind: 'wasi',
    script: c(
      'clang-22',
      `${here}/javascript.c ${quickjsFiles.join(' ')}`,
      quickjsOptions,
      '-Wl,-z,stack-size=1048576',
    ),
  },
  {
    name: 'zlib and cJSON',
    toolchain: 'C, wasi-libc',
    rival: 'dlmalloc',
    kind: 'wasi',
    script: c('clang-22', documents, `-I ${json} -I ${zlib}`),
  },
  {
    name: 'STL containers',
    toolchain: 'C++, libc++',
    rival: 'dlmalloc',
    kind: 'wasi',
    script: c('clang++-22', `${here}/stl.cpp`, '-std=c++20 -fno-exceptions'),
  },
  {
    name: 'Rust collections',
    toolchain: 'Rust, WASI',
    rival: 'dlmalloc',
    kind: 'wasi',
    script: `
      cargo build -q --release --target wasm32-wasi && cp ${rustTarget} rival.wasm
      cargo build -q --release --target wasm32-wasi --features heap && cp ${rustTarget} granary.wasm`,
  },
  {
    name: 'zlib and cJSON',
    toolchain: 'C, Emscripten',
    rival: 'dlmalloc',
    kind: 'emscripten',
    suffix: 'js',
    script: `
      export NODE_PATH=/usr/share/nodejs
      for file in ${documents}; do emcc -O3 -w -I ${json} -I ${zlib} -c $file -o $(basename $file).o; done
      ${emcc} *.o -o rival.js
      ${emcc} -sMALLOC=none *.o ${objects}/granary-emscripten.o -o granary.js`,
  },
  {
    name: 'AssemblyScript collections',
    toolchain: 'AssemblyScript, with its garbage collector',
    rival: 'TLSF',
    kind: 'assemblyscript',
    script: `
      asc="node ${root}/node_modules/assemblyscript/bin/asc.js ${here}/garbage.as.ts -O3 --disableWarning 201"
      $asc -o rival.wasm
      $asc --runtime ${root}/embed/assemblyscript/runtime.as --use HEAP_BASE_BUILTIN=1 -o granary.wasm`,
  },
]

const title = (program: Program) => `${program.name} (${program.toolchain})`

/** Builds both versions in a folder of their own and returns it. */
function build(program: Program): string {
  const folder = workFolder(`program-${title(program).replace(/[^\w]+/g, '-')}`)
  if (program.toolchain.startsWith('Rust')) cpSync(path.join(here, 'rust'), folder, { recursive: true })
  shell(program.script, folder)
  return folder
}

interface Run {
  output: string
  /** CPU time in ms. */
  time: number
  /** Bytes of memory when the program ended. */
  memory: number
}

// All is compiled by the optimising compiler at once: else most of the time would be that of compilers beside the program.
// Newer engines end when they are given these at run time.
const engineFlags = ['--no-liftoff', '--no-wasm-lazy-compilation', '--no-wasm-dynamic-tiering']

/** Runs one version in a fresh Node. */
function execute(program: Program, folder: string, version: 'rival' | 'granary'): Run {
  const file = path.join(folder, `${version}.${program.suffix ?? 'wasm'}`)
  const args = ['--no-warnings', ...engineFlags, path.join(root, 'tests/embed/measure.mjs'), program.kind, file]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(`${version} failed: ${`${stdout}${stderr}`.slice(-1000)}`)
  const end = stdout.lastIndexOf('\n', stdout.length - 2) + 1
  return { output: stdout.slice(0, end), ...JSON.parse(stdout.slice(end)) }
}

interface Comparison {
  program: Program
  /** Granary's figures over the rival's; of the time, the least of the runs. */
  time: Estimate
  memory: number
}

/** Runs both versions in turn and compares them. Throws if they print different things. */
export function compare(program: Program, repetitions: number): Comparison {
  const folder = build(program)
  const runs = Array.from({ length: repetitions }, () => ({
    rival: execute(program, folder, 'rival'),
    granary: execute(program, folder, 'granary'),
  }))
  if (runs[0].rival.output === '') throw new Error('the program printed nothing')
  for (const run of runs) equal(run.granary.output, runs[0].rival.output, 'output with granary')
  const times = [runs.map(({ granary }) => granary.time), runs.map(({ rival }) => rival.time)]
  return {
    program,
    time: estimate([times], ([[ours, theirs]]) => Math.min(...ours) / Math.min(...theirs)),
    memory: runs[0].granary.memory / runs[0].rival.memory,
  }
}

export const programTests: Test[] = programs.map((program) => ({
  name: `program ${title(program)}`,
  run: () => {
    const { time, memory } = compare(program, 3)
    return `same output; time ${time.value.toFixed(2)}, memory ${memory.toFixed(2)} of ${program.rival}'s`
  },
}))
