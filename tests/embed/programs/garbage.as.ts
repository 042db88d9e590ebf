// AssemblyScript's collections, on TLSF or on granary, under the same garbage collector. Returns what the work came to.

class Node {
  left: Node | null
  right: Node | null
  constructor(public name: string) {}
}

function tree(depth: i32): Node {
  const node = new Node(`depth ${depth}`)
  if (depth > 0) {
    node.left = tree(depth - 1)
    node.right = tree(depth - 1)
  }
  return node
}

function letters(node: Node | null): i32 {
  return node ? node.name.length + letters(node.left) + letters(node.right) : 0
}

export function work(): f64 {
  let seed: u32 = 42
  const counts = new Map<string, i32>()
  const lists: i32[][] = []
  for (let i = 0; i < 60000; i++) {
    seed = seed * 1664525 + 1013904223
    const word = `word ${(seed >> 8) % 5000}`
    counts.set(word, (counts.has(word) ? counts.get(word) : 0) + 1)
    if (i % 20 == 0) lists.push([])
    lists[<i32>(seed >> 4) % lists.length].push(i)
  }
  let sum: f64 = counts.size
  for (let i = 0; i < lists.length; i++) for (let j = 0; j < lists[i].length; j++) sum += lists[i][j]
  for (let i = 0; i < 8; i++) sum += letters(tree(12))
  return sum
}
