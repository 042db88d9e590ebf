// The Rust crate beside what else in a program has the names of C's functions.

import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { equal, shell, type Test, workFolder } from './harness.ts'

const manifest = `
[package]
name = "own"
version = "0.1.0"
edition = "2021"

[lib]
crate-type = ["cdylib"]

[dependencies]
granary = { path = "node_modules/granary/embed/rust" }

[workspace]`

/** A folder with the source of a library on the crate. */
function libraryFolder(name: string, source: string): string {
  const work = workFolder(`rust-${name}`)
  mkdirSync(path.join(work, 'src'))
  writeFileSync(path.join(work, 'Cargo.toml'), manifest)
  const heap = '#[global_allocator]\nstatic HEAP: granary::Granary = granary::Granary;\n'
  writeFileSync(path.join(work, 'src/lib.rs'), heap + source)
  return work
}

/** Compiles it to own.wasm. */
const build = (target: string, options: string) =>
  `cargo rustc -q --release --target ${target} ${options}\ncp target/*/release/own.wasm .`

/** Prints what a function of the module returns for an argument. */
const callModule = `
import { readFile } from 'node:fs/promises'
const { instance } = await WebAssembly.instantiate(await readFile('own.wasm'))
console.log(instance.exports.run(1000))`

/** An allocator for the host on Rust's own, under C's names. The sum is of a list that has grown; 1 is added for a block of 100 zeros. */
const ownMalloc = `
use std::alloc::{alloc, alloc_zeroed, dealloc, Layout};
unsafe fn layout(size: usize) -> Layout {
    Layout::from_size_align_unchecked(size, 8)
}
#[no_mangle]
pub unsafe extern "C" fn malloc(size: usize) -> *mut u8 {
    alloc(layout(size))
}
#[no_mangle]
pub unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut u8 {
    alloc_zeroed(layout(count * size))
}
#[no_mangle]
pub unsafe extern "C" fn free(block: *mut u8, size: usize) {
    dealloc(block, layout(size))
}
#[no_mangle]
pub unsafe extern "C" fn run(count: usize) -> usize {
    let list: Vec<usize> = (0..count).filter(|i| i % 2 == 0).collect();
    free(malloc(count), count);
    let zeroed = calloc(10, 10);
    let zeros = (0..100).filter(|&i| *zeroed.add(i) == 0).count();
    list.iter().sum::<usize>() + zeros / 100 + HEAP.verify() as usize
}`

/** What wit-bindgen's crate carries for components: an archive of C that exports cabi_realloc, which calls back into Rust. */
const bindings = `
#include <stddef.h>
void *realloc_in_rust(void *, size_t, size_t, size_t);
__attribute__((weak, export_name("cabi_realloc")))
void *cabi_realloc(void *block, size_t old_size, size_t alignment, size_t size) {
  return realloc_in_rust(block, old_size, alignment, size);
}`

/** Refers to that function, so that it is linked. */
const component = `
extern "C" {
    fn cabi_realloc(block: *mut u8, old_size: usize, alignment: usize, size: usize) -> *mut u8;
}
#[no_mangle]
pub extern "C" fn realloc_in_rust(_: *mut u8, _: usize, _: usize, size: usize) -> *mut u8 {
    Vec::<u8>::with_capacity(size).leak().as_mut_ptr()
}
#[no_mangle]
pub extern "C" fn reference() -> usize {
    cabi_realloc as usize
}`

/** C code that finds malloc where nothing else has one. */
const inC = `
#include <stddef.h>
void *malloc(size_t), free(void *);
size_t sum(size_t count) {
  volatile size_t *list = malloc(count * sizeof *list), sum = 0;
  for (size_t i = 0; i < count; i++) list[i] = i;
  for (size_t i = 0; i < count; i++) sum += list[i];
  free((void *)list);
  return sum;
}`

const callsC = `
extern "C" {
    fn sum(count: usize) -> usize;
}
#[no_mangle]
pub unsafe extern "C" fn run(count: usize) -> usize {
    let list = vec![1; count];
    sum(list.len()) + HEAP.verify() as usize
}`

/** What the crate links on each system; nothing where Rust is not WebAssembly. */
const libraries = {
  'wasm32 wasi': 'granary',
  'wasm32 emscripten': 'granary-emscripten',
  'wasm32 unknown': 'granary-prefixed',
  'x86_64 linux': undefined,
}

export const rustTests: Test[] = [
  ...['false', 'true'].map((lto) => ({
    name: `rust: a program with a malloc of its own, lto = ${lto}`,
    run: () => {
      const work = libraryFolder('malloc', ownMalloc)
      writeFileSync(path.join(work, 'call.mjs'), callModule)
      const options = `--config 'profile.release.lto = ${lto}'`
      equal(shell(`${build('wasm32-unknown-unknown', options)}\nnode call.mjs`, work), '249501\n', 'printed')
    },
  })),
  ...['wasm32-unknown-unknown', 'wasm32-wasi'].map((target) => ({
    name: `rust: bindings that export cabi_realloc, ${target}`,
    run: () => {
      const work = libraryFolder('component', component)
      writeFileSync(path.join(work, 'bindings.c'), bindings)
      const archive = `clang-22 --target=${target} -c bindings.c\nllvm-ar-14 rcs libbindings.a bindings.o`
      shell(`${archive}\n${build(target, '-- -C link-arg=$PWD/libbindings.a')}`, work)
      equal(shell('wasm-objdump -x -j export own.wasm', work).includes('-> "cabi_realloc"'), true, 'exported')
    },
  })),
  {
    name: 'rust: C code in a program without a C library',
    run: () => {
      const work = libraryFolder('c', callsC)
      writeFileSync(path.join(work, 'sum.c'), inC)
      writeFileSync(path.join(work, 'call.mjs'), callModule)
      const compile = 'clang-22 --target=wasm32-unknown-unknown -c sum.c'
      const libraries = '-- -C link-arg=$PWD/sum.o -L node_modules/granary/build/embed -l static=granary'
      equal(
        shell(`${compile}\n${build('wasm32-unknown-unknown', libraries)}\nnode call.mjs`, work),
        '499500\n',
        'printed',
      )
    },
  },
  {
    name: 'rust: the library that the crate links on each system',
    run: () => {
      const work = workFolder('rust-systems')
      shell('rustc node_modules/granary/embed/rust/build.rs -o build', work)
      for (const [target, library] of Object.entries(libraries)) {
        const [architecture, system] = target.split(' ')
        const variables = `CARGO_CFG_TARGET_ARCH=${architecture} CARGO_CFG_TARGET_OS=${system} CARGO_MANIFEST_DIR=.`
        equal(/link-lib=static=(.*)/.exec(shell(`${variables} ./build`, work))?.[1], library, target)
      }
    },
  },
]
