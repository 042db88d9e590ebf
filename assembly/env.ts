// Where the program says that its memory may be used.

// @ts-ignore: decorator
@external('env', '__heap_base') declare const importedBase: usize

// @ts-ignore: decorator
@external('env', '__heap_end') declare const importedEnd: usize

/** First byte behind the program's data and stack, where the heap begins. A program in AssemblyScript knows it itself. */
// @ts-ignore: decorator
@inline export function heapBase(): usize {
  return isDefined(HEAP_BASE_BUILTIN) ? __heap_base : importedBase
}

/** End of the memory that the program is linked with: pages that lie beyond it when the heap begins were grown by others. 0 if that is
 *  not known: then all memory from heapBase on is the heap's. */
// @ts-ignore: decorator
@inline export function heapEnd(): usize {
  return isDefined(HEAP_END_IMPORT) ? importedEnd : 0
}
