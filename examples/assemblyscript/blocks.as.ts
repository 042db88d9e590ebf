// A program that calls granary itself, beside AssemblyScript's own objects or without any.
import { free, heap_verify, malloc, realloc } from './node_modules/granary/assembly/index'

export function sum(count: i32): i32 {
  let numbers = malloc(4)
  for (let i = 0; i < count; i++) {
    numbers = realloc(numbers, (<usize>(i + 1)) << 2)
    store<i32>(numbers + ((<usize>i) << 2), i)
  }
  let total = 0
  for (let i = 0; i < count; i++) total += load<i32>(numbers + ((<usize>i) << 2))
  free(numbers)
  return heap_verify() == 0 ? total : -1
}
