extern crate std;

use crate::Granary;
use core::alloc::{GlobalAlloc, Layout};
use std::alloc::System;

impl Granary {
    /// 0: nothing is known of the system's heap.
    pub fn verify(&self) -> i32 {
        0
    }
}

unsafe impl GlobalAlloc for Granary {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        System.alloc(layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        System.alloc_zeroed(layout)
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        System.realloc(block, layout, size)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        System.dealloc(block, layout)
    }
}
