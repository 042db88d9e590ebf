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

/** Compiles a library on the crate to own.wasm; `options` go to cargo. Returns the folder. */
function build(name: string, source: string, options: string): string {
  const work = workFolder(`rust-${name}`)
  mkdirSync(path.join(work, 'src'))
  writeFileSync(path.join(work, 'Cargo.toml'), manifest)
  const heap = '#[global_allocator]\nstatic HEAP: granary::Granary = granary::Granary;\n'
  writeFileSync(path.join(work, 'src/lib.rs'), heap + source)
  shell(`cargo rustc -q --release --target wasm32-unknown-unknown ${options}\ncp target/*/release/own.wasm .`, work)
  return work
}

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

export const rustTests: Test[] = ['false', 'true'].map((lto) => ({
  name: `rust: a program with a malloc of its own, lto = ${lto}`,
  run: () => {
    const work = build('malloc', ownMalloc, `--config 'profile.release.lto = ${lto}'`)
    writeFileSync(path.join(work, 'call.mjs'), callModule)
    equal(shell('node call.mjs', work), '249501\n', 'printed')
  },
}))
