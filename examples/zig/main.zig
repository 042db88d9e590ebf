//! Zig's containers on granary.

const std = @import("std");
const granary = @import("granary");

const Wide = struct { bytes: [300]u8 align(256) };

pub fn main() !void {
    const gpa = granary.allocator;

    var counts = std.StringHashMap(usize).init(gpa);
    defer counts.deinit();
    var words = std.mem.tokenizeScalar(u8, "the quick brown fox jumps over the lazy dog and the cat", ' ');
    while (words.next()) |word| {
        const entry = try counts.getOrPutValue(word, 0);
        entry.value_ptr.* += 1;
    }
    std.debug.print("{d} words, {d} times \"the\"\n", .{ counts.count(), counts.get("the").? });

    var numbers: std.ArrayList(u32) = .empty;
    defer numbers.deinit(gpa);
    for (0..100000) |i| try numbers.append(gpa, @intCast(i));
    const wide = try gpa.create(Wide);
    defer gpa.destroy(wide);
    std.debug.print("{d} numbers, aligned: {}\n", .{ numbers.items.len, @intFromPtr(wide) % 256 == 0 });

    std.debug.print("the heap is {s}\n", .{if (granary.verify() == 0) "sound" else "damaged"});
}
