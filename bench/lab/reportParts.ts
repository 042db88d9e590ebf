// What the sections of docs/benchmarks.md share.
import type { Palette } from './svg.ts'

/** The allocators in the page's order, and their names. */
export interface Field {
  ids: string[]
  title(id: string): string
}

/** With pictures, in which each allocator has its colour; `picture` keeps one and returns what shows it. */
export interface Drawn extends Field {
  palette: Palette
  picture(name: string, about: string, svg: string): string
}

/** Whose lines are drawn: more could not be told apart by eye. */
export const SHOWN = ['granary', 'dlmalloc', 'emmalloc', 'mimalloc2', 'mimalloc3', 'zig', 'talc', 'tlsf', 'wasmalloc']
export const NULL_FLOOR = 'null floor'
/** The share by which an allocator must be better for its win to be listed. */
export const LEAST_LOSS = 0.02
