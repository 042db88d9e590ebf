// What the module imports besides its memory.

// @ts-ignore: decorator
@external('env', '__heap_base') declare const imported: usize

/** First byte behind the program's data and stack, where the heap begins. A program in AssemblyScript knows it itself. */
// @ts-ignore: decorator
@inline export function heapBase(): usize {
  if (isDefined(HEAP_BASE_BUILTIN)) return __heap_base
  return imported
}
