use crate::Granary;
use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;

// Not by their names in C: those may be the program's own, which call this allocator. build.rs links them.
extern "C" {
    fn granary_malloc(size: usize) -> *mut c_void;
    fn granary_calloc(count: usize, size: usize) -> *mut c_void;
    fn granary_realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn granary_aligned_alloc(alignment: usize, size: usize) -> *mut c_void;
    fn granary_free(block: *mut c_void);
    fn granary_verify() -> i32;
}

/// What every block is aligned to.
const ALIGNMENT: usize = 16;

fn is_natural(layout: &Layout) -> bool {
    layout.align() <= ALIGNMENT
}

impl Granary {
    /// Walks the whole heap: 0 if it is sound, otherwise the number of the first broken invariant.
    pub fn verify(&self) -> i32 {
        unsafe { granary_verify() }
    }
}

unsafe impl GlobalAlloc for Granary {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_natural(&layout) {
            granary_malloc(layout.size()).cast()
        } else {
            granary_aligned_alloc(layout.align(), layout.size()).cast()
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_natural(&layout) {
            return granary_calloc(1, layout.size()).cast();
        }
        let block = self.alloc(layout);
        if !block.is_null() {
            block.write_bytes(0, layout.size());
        }
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let wanted = Layout::from_size_align_unchecked(size, layout.align());
        if is_natural(&wanted) {
            return granary_realloc(block.cast(), size).cast();
        }
        let moved = self.alloc(wanted);
        if !moved.is_null() {
            moved.copy_from_nonoverlapping(block, layout.size().min(size));
            self.dealloc(block, layout);
        }
        moved
    }

    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        granary_free(block.cast());
    }
}
