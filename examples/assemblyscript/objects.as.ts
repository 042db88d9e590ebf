// A program with garbage collection: it knows nothing of its allocator.

export function words(text: string): i32 {
  const counts = new Map<string, i32>()
  for (let round = 0; round < 200; round++) {
    const list = text.split(' ')
    for (let i = 0; i < list.length; i++) {
      const word = list[i].toUpperCase()
      counts.set(word, (counts.has(word) ? counts.get(word) : 0) + 1)
    }
  }
  return counts.size
}
