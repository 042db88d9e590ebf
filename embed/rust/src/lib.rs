//! granary as Rust's global allocator, for programs compiled to 32-bit WebAssembly:
//!
//! ```ignore
//! #[global_allocator]
//! static HEAP: granary::Granary = granary::Granary;
//! ```
//!
//! On other targets it is the system's allocator, so that the same program can be tested on its host.
#![no_std]

#[cfg(not(target_arch = "wasm32"))]
mod host;
#[cfg(target_arch = "wasm32")]
mod wasm;

/// The heap of the program's own memory. Failure is a null pointer, as `GlobalAlloc` has it.
pub struct Granary;
