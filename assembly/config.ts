// Build switches, set with `--use NAME=1`.

/** The break grows through the import `env.grow` (pages → old size in pages, or -1) instead of `memory.grow`. */
// @ts-ignore: decorator
@inline export const GROW_IMPORT: bool = isDefined(GROW_BY_IMPORT)

/** Number of the variant in the heap's header: 0 = fast. */
export const VARIANT: u32 = 0
