//! An unremarkable Rust program whose allocator is granary.

use std::collections::{BTreeMap, HashMap};

#[global_allocator]
static HEAP: granary::Granary = granary::Granary;

#[repr(align(256))]
struct Wide([u8; 300]);

fn main() {
    let text = "the quick brown fox jumps over the lazy dog and the cat ".repeat(2000);
    let mut counts: HashMap<String, usize> = HashMap::new();
    for word in text.split_whitespace() {
        *counts.entry(word.to_string()).or_default() += 1;
    }
    let ordered: BTreeMap<_, _> = counts.iter().map(|(word, count)| (word.clone(), *count)).collect();
    println!("{} words, {} times \"the\"", ordered.len(), ordered["the"]);

    let wide: Vec<Box<Wide>> = (0..100).map(|i| Box::new(Wide([i; 300]))).collect();
    let aligned = wide.iter().all(|block| block.as_ref() as *const Wide as usize % 256 == 0);
    let sum: usize = wide.iter().map(|block| usize::from(block.0[299])).sum();
    println!("aligned: {aligned}, sum {sum}");

    let verdict = if HEAP.verify() == 0 { "sound" } else { "damaged" };
    println!("the heap is {verdict}");
}
