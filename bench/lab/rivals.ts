// The field: every allocator that is measured, where it comes from and how it becomes one WebAssembly module that exports
// malloc, free, realloc, calloc and aligned_alloc with its heap above HEAP_BASE. Sources come from package registries
// (npm run bench:setup); only the shims that give them C's names are kept here, in rivals/.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../../scripts/run.mjs'
import { cached, inFolder, put } from '../cache.ts'
import { HEAP_BASE, tlsfAllocator } from '../replay/merge.ts'
import { cargo, debianVersion, labFolder, need, outputOf, python, rust, Unavailable } from './tools.ts'

const cache = path.join(labFolder, 'cache')
const shims = path.join(root, 'bench/lab/rivals')
const emscripten = '/usr/share/emscripten'
const linker = '/usr/bin/wasm-ld-22'

/** For speed, or for size. */
export type Level = 'O3' | 'Oz'

export interface Rival {
  id: string
  title: string
  /** Where its source comes from. */
  source: string
  /** What a reader has to know to judge its figures. */
  note?: string
  /** What it aligns blocks to, in bytes (those below 16 to 8 at most); the content check holds it to that. */
  alignment: 4 | 8 | 16
  version(): string
  build(level: Level): Uint8Array | Promise<Uint8Array>
  /** In the daily run too. */
  quick?: boolean
}

const behindHeader = 'wants size and alignment back at free, so behind an 8-byte header'
export const granaryModule = path.join(root, 'build/granary.wasm')

export const rivals: Rival[] = [
  {
    id: 'granary',
    title: 'granary',
    source: 'this repository',
    note: 'at -O3 as it is shipped: asc with optimize level 3 and shrink level 2, then wasm-opt -O3; at -Oz asc with 2 and 2',
    alignment: 16,
    version: () => packageVersion(path.join(root, 'package.json')),
    build: buildGranary,
    quick: true,
  },
  {
    id: 'dlmalloc',
    title: 'dlmalloc (Emscripten)',
    source: 'Debian package emscripten, system/lib/dlmalloc.c',
    note: 'as in Emscripten’s standalone mode, the memory grows by what is asked',
    alignment: 8,
    version: emscriptenVersion,
    build: (level) => buildEmscripten('dlmalloc', level),
    quick: true,
  },
  {
    id: 'dlmalloc-wasi',
    title: 'dlmalloc (wasi-libc)',
    source: 'Debian package wasi-libc, as compiled there',
    alignment: 16,
    version: wasiVersion,
    build: (level) =>
      compileC('dlmalloc-wasi', level, [...wasi(), path.join(shims, 'wasi.c'), ...wasiLibraries], wasiVersion()),
    quick: true,
  },
  {
    id: 'emmalloc',
    title: 'emmalloc',
    source: 'Debian package emscripten, system/lib/emmalloc.c',
    note: 'compiled with -fno-strict-aliasing, without which its realloc is miscompiled',
    alignment: 8,
    version: emscriptenVersion,
    build: (level) => buildEmscripten('emmalloc', level),
    quick: true,
  },
  {
    id: 'mimalloc2',
    title: 'mimalloc 2',
    source: 'crate libmimalloc-sys, c_src/mimalloc/v2',
    note: 'aligns blocks of up to 4 bytes to 4, others to 8',
    alignment: 4,
    version: () => mimallocVersion(2),
    build: (level) => buildMimalloc(2, level),
    quick: true,
  },
  {
    id: 'mimalloc3',
    title: 'mimalloc 3',
    source: 'crate libmimalloc-sys, c_src/mimalloc/v3',
    note: 'aligns blocks of up to 4 bytes to 4, others to 8',
    alignment: 4,
    version: () => mimallocVersion(3),
    build: (level) => buildMimalloc(3, level),
    quick: true,
  },
  {
    id: 'zig',
    title: 'Zig wasm_allocator',
    source: 'PyPI package ziglang, std.heap.wasm_allocator',
    note: behindHeader,
    alignment: 8,
    version: () => outputOf(python, ['-m', 'ziglang', 'version']),
    build: buildZig,
    quick: true,
  },
  { ...crate('talc', 'talc', behindHeader), quick: true },
  crate('dlmalloc-rs', 'dlmalloc', 'frees bare pointers'),
  crate('rlsf', 'rlsf', behindHeader),
  crate('wee_alloc', 'wee_alloc', behindHeader),
  crate('lol_alloc', 'lol_alloc', behindHeader),
  crate('wasmalloc', 'wasmalloc', behindHeader),
  { ...crate('rusty_alloc', 'rusty_alloc', 'frees bare pointers; aligns as mimalloc'), alignment: 4 },
  {
    id: 'tlsf',
    title: 'AssemblyScript TLSF',
    source: 'npm package assemblyscript, rt/tlsf',
    note: 'its doubling of the memory counts its own pages only',
    alignment: 16,
    version: () => packageVersion(path.join(root, 'node_modules/assemblyscript/package.json')),
    build: (level) => tlsfAllocator(optimisation[level]).wasm,
    quick: true,
  },
  {
    id: 'stub',
    title: 'AssemblyScript stub',
    source: 'npm package assemblyscript, rt/stub',
    note: 'never re-uses memory: the lower bound of code and work, not a rival',
    alignment: 16,
    version: () => packageVersion(path.join(root, 'node_modules/assemblyscript/package.json')),
    build: buildStub,
  },
]

/** Builds a rival, once for the same inputs; throws Unavailable with the reason when it cannot be had. */
export async function buildRival(rival: Rival, level: Level = 'O3'): Promise<string> {
  const file = path.join(labFolder, 'rivals', `${rival.id}-${level}.wasm`)
  let wasm: Uint8Array
  try {
    wasm = await rival.build(level)
  } catch (error) {
    throw error instanceof Unavailable ? error : new Unavailable((error as Error).message)
  }
  const module = new WebAssembly.Module(wasm as BufferSource)
  const exported = WebAssembly.Module.exports(module).map(({ name }) => name)
  const missing = exportedNames.filter((name) => !exported.includes(name))
  if (missing.length) throw new Unavailable(`its module does not export ${missing.join(', ')}`)
  const wanted = WebAssembly.Module.imports(module).map(({ module, name }) => `${module}.${name}`)
  const unknown = wanted.filter((name) => !['env.memory', 'env.__heap_base'].includes(name))
  if (unknown.length) throw new Unavailable(`its module imports ${unknown.join(', ')}, which the bench cannot give`)
  put(file, wasm)
  return file
}

const optimisation = { O3: '-O3', Oz: '-Oz' } as const
const features = ['-mbulk-memory', '-msign-ext', '-mnontrapping-fptoint', '-mmutable-globals']
const exportedNames = ['malloc', 'free', 'realloc', 'calloc', 'aligned_alloc']
// The stack goes below the heap, where it is not counted as the allocator's memory.
const linking = (base: number) => [
  '-s',
  ...[
    '--no-entry',
    '--stack-first',
    '--gc-sections',
    '-zstack-size=65536',
    `--global-base=${base}`,
    ...exportedNames.map((name) => `--export=${name}`),
    '--export-if-defined=__wasm_call_ctors',
  ].map((flag) => `-Wl,${flag}`),
]

/** Our own sources among the arguments. */
const shimsAmong = (args: string[]) =>
  args.filter((argument) => argument.startsWith(shims)).map((file) => readFileSync(file))

/** Compiles with clang; `library` is the version of what is compiled or linked beside our own sources. */
function compileC(id: string, level: Level, args: string[], library: string, base = HEAP_BASE): Uint8Array {
  const flags = [
    optimisation[level],
    '-DNDEBUG',
    '-w',
    ...features,
    '-nostartfiles',
    `-fuse-ld=${linker}`,
    ...linking(base),
  ]
  const inputs = [...args, ...flags, ...shimsAmong(args), library, outputOf('clang-22', ['--version'])]
  return cached(cache, `${id}-${level}`, inputs, (folder) => {
    const file = path.join(folder, 'out.wasm')
    outputOf('clang-22', [...flags, ...args, '-o', file])
    return readFileSync(file)
  })
}

function wasi(): string[] {
  need('/usr/lib/wasm32-wasi/libc.a', 'apt-get install wasi-libc')
  return ['--target=wasm32-wasip1', '--sysroot=/usr', '-isystem', '/usr/include/wasm32-wasi']
}
function wasiVersion(): string {
  return debianVersion('wasi-libc')
}
const wasiLibraries = ['-L/usr/lib/wasm32-wasi', '-lwasi-emulated-process-clocks']

function buildEmscripten(name: string, level: Level, base?: number): Uint8Array {
  const system = path.join(emscripten, 'system')
  need(path.join(system, 'lib', `${name}.c`), 'apt-get install emscripten')
  // Emscripten generates this header; nothing here reads it.
  const generated = path.join(labFolder, 'emscripten-include')
  mkdirSync(generated, { recursive: true })
  writeFileSync(path.join(generated, 'version.h'), '')
  const headers = [
    'compat',
    '',
    '../lib/libc/musl/include',
    '../lib/libc/musl/arch/emscripten',
    '../lib/libc/musl/arch/generic',
  ]
  const include = headers.map((folder) => path.join(system, 'include', folder))
  const args = ['--target=wasm32-unknown-emscripten', '-nostdlib', '-nostdinc', '-I', generated]
  for (const folder of [path.join(outputOf('clang-22', ['-print-resource-dir']), 'include'), ...include])
    args.push('-isystem', folder)
  args.push('-fno-builtin-malloc', '-fno-builtin-calloc', '-fno-strict-aliasing', '-Daligned_alloc=own_aligned_alloc')
  args.push(path.join(system, 'lib', `${name}.c`), path.join(system, 'lib/sbrk.c'), path.join(shims, 'emscripten.c'))
  return compileC(name, level, args, emscriptenVersion(), base)
}

/** Emscripten's dlmalloc with its data, and so its heap, that many bytes further up. */
export function dlmallocAt(shift: number): Uint8Array {
  return buildEmscripten('dlmalloc', 'O3', HEAP_BASE + shift)
}

function mimallocFolder(version: 2 | 3): string {
  const list = JSON.parse(
    outputOf(cargo, ['metadata', '--format-version=1', '--locked', '--offline', '--manifest-path', cargoFile]),
  )
  const found = list.packages.find(({ name }: { name: string }) => name === 'libmimalloc-sys')
  if (!found) throw new Unavailable('the crate libmimalloc-sys was not fetched: run npm run bench:setup')
  return path.join(path.dirname(found.manifest_path), `c_src/mimalloc/v${version}`)
}

function mimallocVersion(version: 2 | 3): string {
  const header = readFileSync(path.join(mimallocFolder(version), 'include/mimalloc.h'), 'utf8')
  const [, major, minor, patch] = header.match(/MI_MALLOC_VERSION\s+(\d)(\d\d)(\d\d)/)?.map(Number) ?? []
  return `${major}.${minor}.${patch}`
}

function buildMimalloc(version: 2 | 3, level: Level): Uint8Array {
  const folder = mimallocFolder(version)
  const source = ['-I', path.join(folder, 'include'), path.join(folder, 'src/static.c'), path.join(shims, 'wasi.c')]
  const defines = ['-DMI_MALLOC_OVERRIDE=1', '-D_WASI_EMULATED_PROCESS_CLOCKS']
  return compileC(`mimalloc${version}`, level, [...wasi(), ...defines, ...source, ...wasiLibraries], wasiVersion())
}

function buildZig(level: Level): Uint8Array {
  need(python, 'npm run bench:setup')
  const args = [
    '-m',
    'ziglang',
    'build-exe',
    path.join(shims, 'wasm_allocator.zig'),
    '-target',
    'wasm32-freestanding',
    '-O',
    level === 'O3' ? 'ReleaseFast' : 'ReleaseSmall',
    '-fno-entry',
    '-fstrip',
    '-fsingle-threaded',
    '-mcpu=generic+bulk_memory',
    `--global-base=${HEAP_BASE}`,
    '--stack',
    '65536',
    ...exportedNames.map((name) => `--export=${name}`),
    '--cache-dir',
    path.join(labFolder, 'zig-cache'),
  ]
  const inputs = [...args, ...shimsAmong(args), outputOf(python, ['-m', 'ziglang', 'version'])]
  return cached(cache, `zig-${level}`, inputs, (folder) => {
    const file = path.join(folder, 'out.wasm')
    outputOf(python, [...args, `-femit-bin=${file}`])
    return readFileSync(file)
  })
}

const cargoFile = path.join(shims, 'rust/Cargo.toml')

function crate(id: string, name: string, note: string): Rival {
  const version = () => readFileSync(cargoFile, 'utf8').match(new RegExp(`^${name} = .*"=([\\d.]+)"`, 'm'))?.[1] ?? ''
  return {
    id,
    title: id,
    source: `crate ${name}`,
    note,
    alignment: 8,
    version,
    build: (level) => buildCrate(id, name, level),
  }
}

function buildCrate(id: string, name: string, level: Level): Uint8Array {
  const rustc = path.join(rust, 'bin/rustc')
  need(rustc, 'npm run bench:setup')
  const flags = [`linker=${linker}`, `link-arg=--global-base=${HEAP_BASE}`, 'link-arg=-zstack-size=65536'].map(
    (flag) => `-C ${flag}`,
  )
  const target = path.join(labFolder, `rust-${level}`)
  const args = [
    'build',
    '-q',
    '-Z',
    'build-std=core,alloc',
    '--release',
    '--locked',
    '--target',
    'wasm32-unknown-unknown',
    '--target-dir',
    target,
    '--manifest-path',
    cargoFile,
    '--features',
    name,
  ]
  const env = {
    LD_LIBRARY_PATH: path.join(rust, 'lib/x86_64-linux-gnu'),
    RUSTC: rustc,
    RUSTC_BOOTSTRAP: '1', // -Z build-std with a release compiler
    // rusty_alloc wants to be told that there is one thread; the others take no notice.
    RUSTFLAGS: `${flags.join(' ')} --cfg ra_single_threaded`,
    CARGO_PROFILE_RELEASE_OPT_LEVEL: level === 'O3' ? '3' : 'z',
  }
  const sources = ['Cargo.toml', 'Cargo.lock', 'src/lib.rs'].map((file) => readFileSync(path.join(shims, 'rust', file)))
  const inputs = [...args, ...Object.values(env), ...sources, outputOf(cargo, ['--version'])]
  return cached(cache, `${id}-${level}`, inputs, () => {
    outputOf(cargo, args, env)
    return readFileSync(path.join(target, 'wasm32-unknown-unknown/release/rivals.wasm'))
  })
}

async function buildStub(level: Level): Promise<Uint8Array> {
  const { default: asc, libraryFiles } = await import('assemblyscript/asc')
  const pages = HEAP_BASE >>> 16
  // As for TLSF (merge.ts): it shall double its own pages, not the driver's.
  libraryFiles['rt/stub'] = libraryFiles['rt/stub'].replace(
    'max(pagesBefore, pagesNeeded)',
    `max(pagesBefore - ${pages}, pagesNeeded)`,
  )
  const source = readFileSync(path.join(shims, 'stub.as.ts'), 'utf8')
  let wasm: Uint8Array | undefined
  const flags = ['--noAssert', '--converge', '--use', 'abort=', '--enable', 'bulk-memory', '--runtime', 'stub']
  const { error, stderr } = await asc.main(
    ['stub.as.ts', optimisation[level], ...flags, '--memoryBase', String(HEAP_BASE), '-o', 'stub.wasm'],
    {
      readFile: (name) => (name === 'stub.as.ts' ? source : null),
      writeFile: (_, contents) => {
        wasm = contents as Uint8Array
      },
      listFiles: () => [],
    },
  )
  if (error || !wasm) throw new Error(`stub.as.ts does not compile\n${stderr}`)
  return wasm
}

function buildGranary(level: Level): Uint8Array {
  need(granaryModule, 'npm run build')
  if (level === 'O3') return readFileSync(granaryModule)
  const asc = path.join(root, 'node_modules/assemblyscript/bin/asc.js')
  const target = [
    '--config',
    path.join(root, 'asconfig.json'),
    '--target',
    'fast',
    '--optimizeLevel',
    '2',
    '--shrinkLevel',
    '2',
  ]
  return inFolder(labFolder, (folder) => {
    const file = path.join(folder, 'granary.wasm')
    outputOf(process.execPath, [asc, ...target, '--baseDir', root, '--outFile', path.relative(root, file)])
    return readFileSync(file)
  })
}

function emscriptenVersion(): string {
  return readFileSync(path.join(emscripten, 'emscripten-version.txt'), 'utf8').replaceAll('"', '').trim()
}

function packageVersion(file: string): string {
  return JSON.parse(readFileSync(file, 'utf8')).version
}
