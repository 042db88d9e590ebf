// What the module imports besides its memory.

/** First byte behind the program's data and stack: the heap begins there. */
// @ts-ignore: decorator
@external("env", "__heap_base") export declare const __heap_base: i32
