//! Rust's collections: BTreeMap, HashMap, String, Vec, Box, Rc. With the feature `heap` they are on granary.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

#[cfg(feature = "heap")]
#[global_allocator]
static HEAP: granary::Granary = granary::Granary;

struct Random(u32);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1664525).wrapping_add(1013904223);
        (self.0 >> 8) % n
    }
}

enum Tree {
    Leaf(String),
    Branch(Box<Tree>, Box<Tree>),
}

fn tree(depth: u32, random: &mut Random) -> Tree {
    if depth == 0 {
        return Tree::Leaf(format!("leaf {}", random.below(1000)));
    }
    Tree::Branch(Box::new(tree(depth - 1, random)), Box::new(tree(depth - 1, random)))
}

fn letters(tree: &Tree) -> usize {
    match tree {
        Tree::Leaf(name) => name.len(),
        Tree::Branch(left, right) => letters(left) + letters(right),
    }
}

fn main() {
    let mut random = Random(42);
    let mut index: HashMap<String, Vec<u32>> = HashMap::new();
    for line in 0..200_000 {
        index.entry(format!("key number {}", random.below(20_000))).or_default().push(line);
    }
    let mut sorted: BTreeMap<(usize, String), Rc<Vec<u32>>> = BTreeMap::new();
    for (key, lines) in index {
        sorted.insert((lines.len(), key), Rc::new(lines));
    }
    let ((count, key), lines) = sorted.iter().next_back().unwrap();
    println!("{} keys, {count} of {key}, first {}", sorted.len(), lines[0]);

    let mut window: VecDeque<Rc<Vec<u32>>> = VecDeque::new();
    let mut sum = 0;
    for (_, lines) in sorted {
        window.push_back(lines);
        if window.len() > 100 {
            sum += window.pop_front().unwrap().iter().map(|line| *line as u64).sum::<u64>();
        }
    }
    println!("sum {sum}");

    let mut text = String::new();
    for i in 0..100_000 {
        text.push_str(&format!("{i:x},"));
    }
    let parts: Vec<String> = text.split(',').map(str::to_uppercase).collect();
    println!("{} parts, the last {}", parts.len(), parts[99_999]);

    let total: usize = (0..6).map(|_| letters(&tree(14, &mut random))).sum();
    println!("{total} letters in the trees");
}
