// The heap keeps away from what is not its own: the program's stack, its data, and pages that others have grown.

import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { equal, exampleFolder, root, shell, type Test, workFolder } from './harness.ts'

const flags = `-O1 -I ${root}/embed`

/** Compiles a program with granary and returns what it prints; `options` go to clang. */
function output(name: string, source: string, options = ''): string {
  const work = workFolder(`conflict-${name}`)
  writeFileSync(
    path.join(work, 'main.c'),
    `#include <granary.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n${source}`,
  )
  const compile = `clang-22 --target=wasm32-wasi ${flags} ${options} main.c ${root}/build/embed/granary.o -o main.wasm`
  return shell(`${compile}\nnode ${root}/examples/wasi.mjs main.wasm`, work)
}

/** Allocates in every size and writes every byte; the blocks stay in use. The volatile pointer keeps the compiler from leaving it all out. */
const fillHeap = `
static char *volatile last;
static void fill_heap(void) {
  for (int i = 0; i < 20000; i++) {
    size_t size = i % 100 == 0 ? 100000 : i % 700;
    char *block = last = malloc(size);
    if (!block) abort();
    memset(block, 0xEE, size);
  }
}`

const stack = `${fillHeap}
static unsigned deep(int depth) {
  volatile unsigned char here[1000];
  for (int i = 0; i < 1000; i++) here[i] = depth + i;
  if (depth == 40) fill_heap();
  unsigned below = depth < 40 ? deep(depth + 1) : 0;
  for (int i = 0; i < 1000; i++) if (here[i] != (unsigned char)(depth + i)) return below + 1;
  return below;
}
int main(void) {
  printf("%u frames damaged, heap %d\\n", deep(0), granary_verify());
  return 0;
}`

const data = `${fillHeap}
static unsigned char zeroed[300000];
static unsigned char initialised[300000] = {1, 2, 3};
int main(void) {
  for (int i = 3; i < 300000; i++) initialised[i] = i;
  fill_heap();
  unsigned damaged = initialised[0] != 1 || initialised[1] != 2 || initialised[2] != 3;
  for (int i = 0; i < 300000; i++) damaged += zeroed[i] != 0 || (i > 2 && initialised[i] != (unsigned char)i);
  printf("%u bytes damaged, heap %d\\n", damaged, granary_verify());
  return 0;
}`

const grow = `${fillHeap}
int main(void) {
  unsigned char *pages[50];
  for (int i = 0; i < 50; i++) {
    pages[i] = (unsigned char *)(__builtin_wasm_memory_grow(0, 1 + i % 3) << 16);
    memset(pages[i], i, 65536);
    for (int j = 0; j < 200; j++) memset(last = malloc(5000), 0xEE, 5000);
  }
  fill_heap();
  unsigned damaged = 0;
  for (int i = 0; i < 50; i++)
    for (int j = 0; j < 65536; j++) damaged += pages[i][j] != i;
  printf("%u bytes damaged, heap %d\\n", damaged, granary_verify());
  return 0;
}`

/** In a memory that cannot grow and whose last page has no room for a heap's beginning. */
const full = `
#include <errno.h>
static volatile char filler[114000];
static void *volatile block;
int main(void) {
  filler[1] = 1;
  printf("%d", (block = malloc(10)) != NULL);
  printf(" %d", errno == ENOMEM);
  errno = 0;
  printf(" %d", mmap(NULL, 10, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
  printf(" %d\\n", errno == ENOMEM);
  return filler[0];
}`

/** Prints whether mmap takes some offsets. */
const offset = `
static int maps(long long offset) {
  return mmap(NULL, 10, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, offset) != MAP_FAILED;
}
int main(void) {
  printf("%d %d %d %d\\n", maps(0), maps(-1), maps(65536), maps(1LL << 48));
  return 0;
}`

/** Emscripten's mmap maps files; granary's has a name of its own beside it. */
const mapFile = `
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
int main(void) {
  int file = open("file", O_RDWR | O_CREAT, 0600);
  if (write(file, "grain", 5) != 5) return 1;
  const char *text = mmap(NULL, 5, PROT_READ, MAP_PRIVATE, file, 0);
  char *memory = mmap(NULL, 100000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *own = granary_mmap(NULL, 100000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || own == MAP_FAILED || memory[99999] || own[99999] || ((size_t)own & 65535)) return 2;
  printf("%.5s", text);
  if (munmap((void *)text, 5) || munmap(memory, 100000) || granary_munmap(own, 100000)) return 3;
  printf(" %d\\n", granary_verify());
  return 0;
}`

/** Uses each constant and function of mappings. */
const mappings = `
void *use(void *block, int64_t offset) {
  mmap(block, 1, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANON, -1, offset);
  granary_mmap(block, 1, 0, MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, offset);
  if (madvise(block, 1, MADV_DONTNEED) || granary_madvise(block, 1, MADV_DONTNEED) || munmap(block, 1)) return MAP_FAILED;
  return mremap(block, 1, 2, MREMAP_MAYMOVE);
}`

/** Calls the names by which C libraries call the allocator among themselves. */
const inside = `
void *emscripten_builtin_malloc(size_t), *emscripten_builtin_calloc(size_t, size_t), *emscripten_builtin_realloc(void *, size_t);
void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void __libc_free(void *);
int main(void) {
  __libc_free(emscripten_builtin_realloc(emscripten_builtin_calloc(10, 10), 1000));
  free(__libc_realloc(emscripten_builtin_malloc(10), 1000));
  free(__libc_malloc(10));
  free(__libc_calloc(10, 10));
  printf("heap %d\\n", granary_verify());
  return 0;
}`

/** A program of Emscripten's without JavaScript. */
const standalone = `
#include <stdio.h>
#include <stdlib.h>
static void *volatile block;
int main(void) {
  block = malloc(1000);
  printf("%d\\n", block != NULL);
  return 0;
}`

const printAndGrow = `
int main(void) {
  for (int i = 0; i < 100; i++) {
    __builtin_wasm_memory_grow(0, 100);
    puts(".");
    fflush(stdout);
  }
  printf("heap %d\\n", granary_verify());
  return 0;
}`

/** A program that frees twice, and once more in a destructor. */
const twice = `
static char *block;
__attribute__((constructor)) static void begin(void) { block = malloc(100); }
__attribute__((destructor)) static void end(void) { free(block); }
int main(void) { free(block); free(block); }`

/** Fills Zig lists with a great alignment, lets them shrink, and prints whether what is in use still is a hundredth at least. */
const shrinkInZig = `
const std = @import("std");
const granary = @import("granary");
extern fn granary_stats(*[6]u32) void;
pub fn main() !void {
    var lists: [20]std.array_list.Aligned(u8, .@"64") = @splat(.empty);
    for (&lists) |*list| {
        try list.ensureTotalCapacityPrecise(granary.allocator, 1 << 20);
        list.appendNTimesAssumeCapacity(7, 100);
        list.shrinkAndFree(granary.allocator, 10);
        if (@intFromPtr(list.items.ptr) % 64 != 0 or list.items[9] != 7) return error.Wrong;
    }
    var stats: [6]u32 = undefined;
    granary_stats(&stats);
    std.debug.print("{} {}", .{ stats[1] > 200000, granary.verify() });
}`

/** Gives its host a malloc on granary's, under C's name. */
const mallocInZig = `
const granary = @import("granary");
export fn malloc(size: usize) ?[*]u8 {
    return granary.allocator.rawAlloc(size, .@"8", 0);
}
export fn verify() c_int {
    return granary.verify();
}`

const callMalloc = `
import { readFile } from 'node:fs/promises'
const { instance } = await WebAssembly.instantiate(await readFile('main.wasm'))
console.log(instance.exports.malloc(100) > 0, instance.exports.verify())`

/** Prints why the program trapped, and whether the address is a block's. */
const askMemory = `
import { readFile } from 'node:fs/promises'
const { instance } = await WebAssembly.instantiate(await readFile('main.wasm'), { wasi_snapshot_preview1: { proc_exit() {} } })
const { memory, __heap_base, _start } = instance.exports
try { _start() } catch {}
const [, , , reason, address] = new Uint32Array(memory.buffer, __heap_base.value, 5)
console.log(reason, address > __heap_base.value, address % 16)`

export const conflictTests: Test[] = [
  ...['', '-Wl,--stack-first', '-Wl,--no-stack-first', '-Wl,--initial-memory=33554432'].map((option) => ({
    name: `conflict: the stack ${option}`,
    run: () =>
      equal(output('stack', stack, `-Wl,-z,stack-size=65536 ${option}`), '0 frames damaged, heap 0\n', 'printed'),
  })),
  { name: 'conflict: data', run: () => equal(output('data', data), '0 bytes damaged, heap 0\n', 'printed') },
  {
    name: 'conflict: others that call memory.grow',
    run: () => equal(output('grow', grow), '0 bytes damaged, heap 0\n', 'printed'),
  },
  {
    name: 'conflict: a memory that has no room for a heap, where errno says so',
    run: () => {
      const options = '-Wl,-z,stack-size=8192 -Wl,--initial-memory=131072 -Wl,--max-memory=131072'
      return equal(output('full', full, options), '0 1 1 1\n', 'printed')
    },
  },
  {
    name: 'conflict: the offset of C’s mmap, whose high bits count, too',
    run: () => equal(output('offset', offset), '1 0 0 0\n', 'printed'),
  },
  {
    name: 'conflict: a host that is called after the memory has grown by much',
    run: () => equal(output('host', printAndGrow), `${'.\n'.repeat(100)}heap 0\n`, 'printed'),
  },
  {
    name: 'conflict: why a program with destructors trapped is in its memory',
    run: () => {
      const work = workFolder('conflict-trap')
      writeFileSync(path.join(work, 'main.c'), `#include <stdlib.h>${twice}`)
      writeFileSync(path.join(work, 'main.mjs'), askMemory)
      const compile = `clang-22 --target=wasm32-wasi ${flags} -Wl,--export=__heap_base main.c ${root}/build/embed/granary.o -o main.wasm`
      equal(shell(`${compile}\nnode main.mjs`, work), '3 true 0\n', 'printed')
    },
  },
  {
    name: 'conflict: a memory that threads share is refused',
    run: () => {
      const work = workFolder('conflict-threads')
      const source = '#include <stdlib.h>\nvoid *take(size_t n) { return malloc(n); }\n'
      writeFileSync(path.join(work, 'main.c'), source)
      shell(`clang-22 --target=wasm32-wasi -matomics -mbulk-memory ${flags} -c main.c -o main.o`, work)
      const options = '--no-entry --export=take --shared-memory --import-memory --max-memory=1048576'
      const said = shell(
        `wasm-ld-22 ${options} main.o ${root}/build/embed/granary.o -o main.wasm 2>&1 || echo "status $?"`,
        work,
      )
      if (!/granary\.o.*atomics[\s\S]*status 1/.test(said)) throw new Error(said)
      return undefined
    },
  },
  {
    name: "conflict: Emscripten's mmap of a file",
    run: () => {
      const work = workFolder('conflict-mmap')
      writeFileSync(
        path.join(work, 'main.c'),
        `#include <granary.h>\n#include <stdio.h>\n#include <string.h>\n${mapFile}`,
      )
      const object = `${root}/build/embed/granary-emscripten.o`
      const options = '-sMALLOC=none -sALLOW_MEMORY_GROWTH -sFORCE_FILESYSTEM'
      shell(`NODE_PATH=/usr/share/nodejs emcc -O1 ${options} -I ${root}/embed main.c ${object} -o main.js`, work)
      equal(shell('node --no-experimental-fetch main.js', work), 'grain 0\n', 'printed')
    },
  },
  {
    name: 'conflict: a WASI engine runs what Emscripten makes without JavaScript',
    run: () => {
      const work = workFolder('conflict-standalone')
      writeFileSync(path.join(work, 'main.c'), standalone)
      const options = '-O1 -sMALLOC=none -sSTANDALONE_WASM'
      const compile = `NODE_PATH=/usr/share/nodejs emcc ${options} main.c ${root}/build/embed/granary.o -o main.wasm`
      equal(shell(`${compile}\nnode ${root}/examples/wasi.mjs main.wasm`, work), '1\n', 'printed')
    },
  },
  {
    name: 'conflict: what a Zig list of aligned items no longer needs is free',
    run: () => {
      const work = workFolder('conflict-zig')
      writeFileSync(path.join(work, 'main.zig'), shrinkInZig)
      const modules = `--dep granary -Mroot=main.zig -Mgranary=${root}/embed/zig/granary.zig ${root}/build/embed/granary.o`
      shell(`python3 -m ziglang build-exe -target wasm32-wasi -O ReleaseSafe ${modules} -femit-bin=main.wasm`, work)
      equal(shell(`node ${root}/examples/wasi.mjs main.wasm 2>&1`, work), 'false 0', 'printed')
    },
  },
  {
    name: 'conflict: a Zig program with a malloc of its own',
    run: () => {
      const work = workFolder('conflict-zig-malloc')
      writeFileSync(path.join(work, 'main.zig'), mallocInZig)
      writeFileSync(path.join(work, 'main.mjs'), callMalloc)
      const modules = `--dep granary -Mroot=main.zig -Mgranary=${root}/embed/zig/granary.zig ${root}/build/embed/granary-prefixed.o`
      const options = '-target wasm32-freestanding -mcpu=generic+bulk_memory -fno-entry -rdynamic -femit-bin=main.wasm'
      equal(shell(`python3 -m ziglang build-exe ${options} ${modules}\nnode main.mjs`, work), 'true 0\n', 'printed')
    },
  },
  {
    name: 'conflict: granary.h before and after <sys/mman.h>, whatever that declares',
    run: () => {
      const work = workFolder('conflict-header')
      for (const headers of [['granary.h'], ['granary.h', 'sys/mman.h'], ['sys/mman.h', 'granary.h']]) {
        const includes = headers.map((header) => `#include <${header}>\n`).join('')
        for (const name of ['use.c', 'use.cpp']) writeFileSync(path.join(work, name), includes + mappings)
        for (const option of ['', '-D_GNU_SOURCE']) {
          const options = `${option} -D_WASI_EMULATED_MMAN -Werror -Wno-deprecated -I ${root}/embed -c`
          shell(`clang-22 --target=wasm32-wasi -std=c11 ${options} use.c`, work)
          shell(`clang++-22 --target=wasm32-wasi -std=c++20 ${options} use.cpp`, work)
          shell(`NODE_PATH=/usr/share/nodejs emcc -std=c11 ${options} use.c`, work)
        }
      }
    },
  },
  {
    name: 'conflict: names that C libraries use among themselves',
    run: () => equal(output('inside', inside), 'heap 0\n', 'printed'),
  },
  {
    name: 'conflict: --export-dynamic exports nothing of granary',
    run: () => {
      const work = workFolder('conflict-exports')
      const options = `${flags} -Wl,--export-dynamic -Wl,--export=granary_verify`
      shell(
        `clang-22 --target=wasm32-wasi ${options} ${root}/examples/c/main.c ${root}/build/embed/granary.o -o main.wasm`,
        work,
      )
      const names = [...shell('wasm-objdump -x -j export main.wasm', work).matchAll(/-> "(.*)"/g)].map(
        ([, name]) => name,
      )
      equal(names.includes('_start') && names.includes('__stack_pointer'), true, 'others')
      equal(names.filter((name) => /alloc|free|align|brk|map|granary/.test(name)).join(), 'granary_verify', 'exports')
    },
  },
  {
    name: "conflict: libc's allocator is not linked",
    run: () => {
      const work = workFolder('conflict-dlmalloc')
      const libraries = [`${root}/build/embed/granary.o`, `-L${root}/build/embed -lgranary`]
      for (const library of libraries) {
        shell(
          `clang-22 --target=wasm32-wasi ${flags} --no-wasm-opt ${root}/examples/c/main.c ${library} -o main.wasm`,
          work,
        )
        const names = shell('wasm-objdump -x -j name main.wasm', work)
        for (const name of ['dlmalloc', 'dispose_chunk', 'internal_memalign']) equal(names.includes(name), false, name)
      }
    },
  },
  {
    name: "conflict: libc's allocator is not linked, in Rust without the crate",
    run: () => {
      const work = workFolder('conflict-rust')
      const source = 'fn main() { println!("{}", (0..1000).map(|i| i.to_string()).collect::<Vec<_>>().concat().len()) }'
      writeFileSync(path.join(work, 'main.rs'), source)
      shell(`rustc -O --target wasm32-wasi -L ${root}/build/embed -l static=granary main.rs -o main.wasm`, work)
      equal(shell(`node ${root}/examples/wasi.mjs main.wasm`, work), '2890\n', 'printed')
      const names = shell('wasm-objdump -x -j name main.wasm', work)
      equal(names.includes('dispose_chunk'), false, 'dlmalloc')
      equal(names.includes('granary_set_errno'), true, 'granary')
    },
  },
  {
    name: 'conflict: the Rust crate on a host that is not WebAssembly',
    run: () => {
      const work = exampleFolder('rust')
      const printed = shell('cargo run --quiet', work)
      equal(printed.includes('aligned: true, sum 4950'), true, printed)
    },
  },
  {
    name: "conflict: linkers from LLVM 14 on, and wasi-libc's emulated mmap",
    run: () => {
      const work = workFolder('conflict-linkers')
      const object = `clang-22 --target=wasm32-wasi ${flags} -c ${root}/examples/c/main.c -o main.o`
      const libc = '/usr/lib/wasm32-wasi'
      const runtime = '$(clang-22 --target=wasm32-wasi --print-libgcc-file-name)'
      for (const linker of ['wasm-ld-14', 'wasm-ld-22']) {
        const libraries = `${root}/build/embed/libgranary.a -L${libc} -lc -lwasi-emulated-mman`
        shell(`${object}\n${linker} ${libc}/crt1-command.o main.o ${libraries} ${runtime} -o main.wasm`, work)
        equal(
          shell(`node ${root}/examples/wasi.mjs main.wasm`, work),
          'barley before wheat\nthe heap is sound\n',
          linker,
        )
      }
    },
  },
  {
    name: 'conflict: AssemblyScript that is not told where the heap begins is refused',
    run: () => {
      const work = exampleFolder('assemblyscript')
      const runtime = 'node_modules/granary/embed/assemblyscript/runtime.as'
      const said = shell(`npx asc objects.as.ts --runtime ./${runtime} -o out.wasm 2>&1 || echo "status $?"`, work)
      if (!/ERROR.*--use HEAP_BASE_BUILTIN=1[\s\S]*status 1/.test(said)) throw new Error(said)
      return undefined
    },
  },
]
