//! granary as a std.mem.Allocator, for programs compiled to 32-bit WebAssembly and linked with granary.o.

const std = @import("std");
const Alignment = std.mem.Alignment;

// Not by their names in C: those may be the program's own, which call this allocator.
extern fn granary_malloc(size: usize) ?[*]u8;
extern fn granary_realloc(block: ?*anyopaque, size: usize) ?[*]u8;
extern fn granary_aligned_alloc(alignment: usize, size: usize) ?[*]u8;
extern fn granary_malloc_usable_size(block: ?*anyopaque) usize;
extern fn granary_free(block: ?*anyopaque) void;
extern fn granary_verify() c_int;

/// The heap of the program's own memory.
pub const allocator: std.mem.Allocator = .{ .ptr = undefined, .vtable = &vtable };

/// Walks the whole heap: 0 if it is sound, otherwise the number of the first broken invariant.
pub fn verify() c_int {
    return granary_verify();
}

const vtable: std.mem.Allocator.VTable = .{ .alloc = alloc, .resize = resize, .remap = remap, .free = release };

/// Whether every block has this alignment.
fn isNatural(alignment: Alignment) bool {
    return alignment.toByteUnits() <= 16;
}

fn alloc(_: *anyopaque, length: usize, alignment: Alignment, _: usize) ?[*]u8 {
    if (isNatural(alignment)) return granary_malloc(length);
    return granary_aligned_alloc(alignment.toByteUnits(), length);
}

/// SMALL_MAX of assembly/layout.ts: blocks up to this size move when they shrink to less than half; others shrink where they are.
const small_max = 256;

/// In place: true as far as the block's own room goes. What a large one no longer needs is free then.
fn resize(_: *anyopaque, memory: []u8, _: Alignment, length: usize, _: usize) bool {
    const usable = granary_malloc_usable_size(memory.ptr);
    if (length > usable) return false;
    if (usable > small_max and length > 0) _ = granary_realloc(memory.ptr, length);
    return true;
}

fn remap(context: *anyopaque, memory: []u8, alignment: Alignment, length: usize, return_address: usize) ?[*]u8 {
    if (isNatural(alignment)) return granary_realloc(memory.ptr, length);
    return if (resize(context, memory, alignment, length, return_address)) memory.ptr else null;
}

fn release(_: *anyopaque, memory: []u8, _: Alignment, _: usize) void {
    granary_free(memory.ptr);
}
