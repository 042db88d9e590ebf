//! Rust's allocators behind the names of C.
//!
//! Most want the size and the alignment of a block back when it is freed (`GlobalAlloc`), which C does not give: they
//! stand behind a header of 8 bytes before the block, as every C program's use of them would need. Those that can free
//! a bare pointer are called directly.
#![no_std]

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(any(feature = "lol_alloc", feature = "rlsf", feature = "talc", feature = "wasmalloc", feature = "wee_alloc"))]
mod layout {
    use core::alloc::{GlobalAlloc, Layout};

    #[cfg(feature = "lol_alloc")]
    static HEAP: lol_alloc::AssumeSingleThreaded<lol_alloc::FreeListAllocator> =
        unsafe { lol_alloc::AssumeSingleThreaded::new(lol_alloc::FreeListAllocator::new()) };
    #[cfg(feature = "rlsf")]
    static HEAP: rlsf::GlobalTlsf = rlsf::GlobalTlsf::new();
    #[cfg(feature = "talc")]
    #[global_allocator] // its crate does not link without one
    static HEAP: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
    #[cfg(feature = "wasmalloc")]
    static HEAP: wasmalloc::WasmAlloc = wasmalloc::WasmAlloc::new();
    #[cfg(feature = "wee_alloc")]
    static HEAP: wee_alloc::WeeAlloc = wee_alloc::WeeAlloc::INIT;

    const HEADER: usize = 8;
    const MOST: usize = isize::MAX as usize - 0x10000;

    unsafe fn layout(total: usize, align: usize) -> Layout {
        Layout::from_size_align_unchecked(total, align)
    }

    /// Writes the header (the size and the alignment asked of the allocator) before the block, `lead` bytes from its base.
    unsafe fn block(base: *mut u8, total: usize, lead: usize) -> *mut u8 {
        if base.is_null() {
            return base;
        }
        let p = base.add(lead);
        *(p.sub(8) as *mut usize) = total;
        *(p.sub(4) as *mut usize) = lead;
        p
    }

    #[no_mangle]
    pub unsafe extern "C" fn malloc(size: usize) -> *mut u8 {
        if size > MOST {
            return core::ptr::null_mut();
        }
        let total = size + HEADER;
        block(HEAP.alloc(layout(total, HEADER)), total, HEADER)
    }

    #[no_mangle]
    pub unsafe extern "C" fn free(p: *mut u8) {
        if p.is_null() {
            return;
        }
        let (total, lead) = (*(p.sub(8) as *const usize), *(p.sub(4) as *const usize));
        HEAP.dealloc(p.sub(lead), layout(total, lead));
    }

    #[no_mangle]
    pub unsafe extern "C" fn realloc(p: *mut u8, size: usize) -> *mut u8 {
        if p.is_null() {
            return malloc(size);
        }
        let (total, lead) = (*(p.sub(8) as *const usize), *(p.sub(4) as *const usize));
        if size > MOST {
            return core::ptr::null_mut();
        }
        if lead == HEADER {
            let wanted = size + HEADER;
            return block(HEAP.realloc(p.sub(HEADER), layout(total, HEADER), wanted), wanted, HEADER);
        }
        let moved = malloc(size);
        if !moved.is_null() {
            core::ptr::copy_nonoverlapping(p, moved, size.min(total - lead));
            free(p);
        }
        moved
    }

    #[no_mangle]
    pub unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut u8 {
        match count.checked_mul(size) {
            Some(bytes) if bytes <= MOST => {
                let total = bytes + HEADER;
                block(HEAP.alloc_zeroed(layout(total, HEADER)), total, HEADER)
            }
            _ => core::ptr::null_mut(),
        }
    }

    #[no_mangle]
    pub unsafe extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut u8 {
        if align <= HEADER {
            return malloc(size);
        }
        if size > MOST {
            return core::ptr::null_mut();
        }
        let total = size + align;
        block(HEAP.alloc(layout(total, align)), total, align)
    }
}

#[cfg(feature = "dlmalloc")]
mod bare {
    use dlmalloc::Dlmalloc;

    static mut HEAP: Dlmalloc = Dlmalloc::new();

    #[allow(static_mut_refs)]
    fn heap() -> &'static mut Dlmalloc {
        unsafe { &mut HEAP }
    }

    #[no_mangle]
    pub unsafe extern "C" fn malloc(size: usize) -> *mut u8 {
        heap().c_malloc(size)
    }

    #[no_mangle]
    pub unsafe extern "C" fn free(p: *mut u8) {
        heap().c_free(p)
    }

    #[no_mangle]
    pub unsafe extern "C" fn realloc(p: *mut u8, size: usize) -> *mut u8 {
        heap().c_realloc(p, size)
    }

    #[no_mangle]
    pub unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut u8 {
        match count.checked_mul(size) {
            Some(bytes) => heap().calloc(bytes, 1),
            None => core::ptr::null_mut(),
        }
    }

    #[no_mangle]
    pub unsafe extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut u8 {
        heap().c_memalign(align, size)
    }
}

#[cfg(feature = "rusty_alloc")]
mod bare {
    use rusty_alloc::alloc;

    #[no_mangle]
    pub extern "C" fn malloc(size: usize) -> *mut u8 {
        alloc::malloc(size)
    }

    #[no_mangle]
    pub unsafe extern "C" fn free(p: *mut u8) {
        alloc::free(p)
    }

    #[no_mangle]
    pub unsafe extern "C" fn realloc(p: *mut u8, size: usize) -> *mut u8 {
        alloc::realloc(p, size)
    }

    #[no_mangle]
    pub extern "C" fn calloc(count: usize, size: usize) -> *mut u8 {
        alloc::calloc(count, size)
    }

    #[no_mangle]
    pub extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut u8 {
        alloc::malloc_aligned(size, align)
    }
}
