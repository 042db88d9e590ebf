//! Zig's allocator for WebAssembly behind the names of C. It wants the size and the alignment of a block back when it
//! is freed, so each block carries a header of 8 bytes: the size asked of the allocator, and the bytes before the block.
const std = @import("std");
const heap = std.heap.wasm_allocator;
const Alignment = std.mem.Alignment;

const header = 8;

fn raw(total: usize, lead: usize) ?[*]u8 {
    const base = heap.rawAlloc(total, Alignment.fromByteUnits(lead), 0) orelse return null;
    return block(base, total, lead);
}

fn block(base: [*]u8, total: usize, lead: usize) [*]u8 {
    const p = base + lead;
    words(p)[0] = total;
    words(p)[1] = lead;
    return p;
}

fn words(p: [*]u8) *[2]usize {
    return @ptrCast(@alignCast(p - header));
}

export fn malloc(size: usize) ?[*]u8 {
    return raw(size +| header, header);
}

export fn free(pointer: ?[*]u8) void {
    const p = pointer orelse return;
    const total, const lead = words(p).*;
    heap.rawFree((p - lead)[0..total], Alignment.fromByteUnits(lead), 0);
}

export fn realloc(pointer: ?[*]u8, size: usize) ?[*]u8 {
    const p = pointer orelse return malloc(size);
    const total, const lead = words(p).*;
    const wanted = size +| lead;
    if (heap.rawRemap((p - lead)[0..total], Alignment.fromByteUnits(lead), wanted, 0)) |base| return block(base, wanted, lead);
    const moved = malloc(size) orelse return null;
    const kept = @min(size, total - lead);
    @memcpy(moved[0..kept], p[0..kept]);
    free(p);
    return moved;
}

export fn calloc(count: usize, size: usize) ?[*]u8 {
    const bytes = std.math.mul(usize, count, size) catch return null;
    const p = malloc(bytes) orelse return null;
    @memset(p[0..bytes], 0);
    return p;
}

export fn aligned_alloc(alignment: usize, size: usize) ?[*]u8 {
    const lead = @max(alignment, header);
    return raw(size +| lead, lead);
}
