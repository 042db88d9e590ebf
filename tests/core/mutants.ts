// npm run test:mutants: breaks the core in one place at a time, and shows that some test notices each.
//
// A mutant counts as killed if a test fails on it that passes on the core as it is.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { refuseArguments, root } from '../../scripts/run.mjs'

refuseArguments(`npm run test:mutants

Breaks the core in one place at a time, and runs the tests that are to notice it.`)

const { default: asc } = await import('assemblyscript/asc') // it takes seconds to load

interface Mutant {
  name: string
  /** File of assembly/, what occurs in it once, and what stands there instead. */
  file: string
  find: string | RegExp
  replace: string
  /** Files of tests/core/, one of which is to notice. */
  tests: string[]
}

const MAPPINGS = ['mapping', 'fixedMapping', 'unmapping']

const mutants: Mutant[] = [
  {
    name: 'a small block may be freed twice',
    file: 'malloc.ts',
    find: 'if (after != free) {',
    replace: 'if (true) {',
    tests: ['misuse'],
  },
  {
    name: 'realloc frees the last block of a span as if it had others',
    file: 'malloc.ts',
    find: 'if (after != -1) {\n',
    replace: 'if (true) {\n',
    tests: ['sizes', 'conformance'],
  },
  {
    name: 'a small block may be reallocated after its free',
    file: 'malloc.ts',
    find: 'if (!(span.free & bitOf(p))) return',
    replace: 'return',
    tests: ['misuse'],
  },
  {
    name: 'a free block is given for what it had before its front was taken',
    file: 'node.ts',
    find: 'if (size >= n) return number',
    replace: 'return number',
    tests: ['nodes'],
  },
  {
    name: 'an aligned request ends its search at a block whose front was taken',
    file: 'arena.ts',
    find: 'sure = n + alignment + 2 * BLOCK_MIN',
    replace: 'sure = 0',
    tests: ['nodes'],
  },
  {
    name: 'verify overlooks a free block in a bin of smaller sizes',
    file: 'verify.ts',
    find: 'binOf(end - p) > bin',
    replace: 'false',
    tests: ['verify'],
  },
  {
    name: 'what the header of a page of spans says of itself is believed',
    file: 'bin.ts',
    find: ' && !isHeader(span)',
    replace: '',
    tests: ['corruption'],
  },
  {
    name: 'a large block may be freed twice',
    file: 'malloc.ts',
    find: /(function freeSlow[\s\S]*?)isUsed\(w\)/,
    replace: '$1true',
    tests: ['misuse'],
  },
  {
    name: 'sizes above PTRDIFF_MAX are not refused',
    file: 'malloc.ts',
    find: 'let p: usize = isTooLarge(size) ?',
    replace: 'let p: usize = size == 0x7fffffff ?',
    tests: ['conformance'],
  },
  {
    name: 'calloc does not clear large blocks',
    file: 'malloc.ts',
    find: 'else memory.fill(p, 0, dirtyIn(p, bytes))',
    replace: '',
    tests: ['sizes'],
  },
  {
    name: 'the product of calloc and reallocarray wraps',
    file: 'malloc.ts',
    find: '<u64>n * size',
    replace: '<u64>(n * size)',
    tests: ['conformance'],
  },
  {
    name: 'a block whose end lies one cell behind the marks that are looked at has no distance',
    file: 'shadow.ts',
    find: '(120 - 8) * CELL',
    replace: '(121 - 8) * CELL',
    tests: ['sizes'],
  },
  {
    name: 'realloc copies a cell less',
    file: 'malloc.ts',
    find: '!FRONT) copy(q, p, n)',
    replace: '!FRONT) copy(q, p, n - 16)',
    tests: ['sizes'],
  },
  {
    name: 'a refusal does not note the address',
    file: 'error.ts',
    find: 'h.address = address',
    replace: '',
    tests: ['misuse'],
  },
  {
    name: 'blocks are half as aligned as asked for',
    file: 'arena.ts',
    find: 'roundUp(p, alignment)',
    replace: 'roundUp(p, max<usize>(alignment >>> 1, 16))',
    tests: ['sizes'],
  },
  {
    name: 'a freed block is not joined with the free one behind',
    file: 'arena.ts',
    find: 'if (isFree(around64(shadow, stop)))',
    replace: 'if (false)',
    tests: ['conformance', 'oom'],
  },
  {
    name: 'a node that is nowhere is looked for beyond the nodes',
    file: 'node.ts',
    find: 'if (number >= h.nodesUsed) refuse(CORRUPT, p)',
    replace: '',
    tests: ['corruption'],
  },
  {
    name: 'a hint at a free block’s start is believed',
    file: 'node.ts',
    find: ' && nodeIn(h.nodes, number).start == p',
    replace: '',
    tests: ['corruption'],
  },
  {
    name: 'a hint at a free block’s end is believed',
    file: 'node.ts',
    find: ' && nodeIn(h.nodes, number).end == p',
    replace: '',
    tests: ['corruption'],
  },
  {
    name: 'a hint may lead behind the nodes',
    file: 'node.ts',
    find: /isNumber\(h, number\) && (nodeIn\(h\.nodes, number\)\.start)/,
    replace: '$1',
    tests: ['corruption'],
  },
  {
    name: 'a hint of a free page may lead behind the nodes',
    file: 'node.ts',
    find: 'if (!isNumber(h, number)) number = next',
    replace: '',
    tests: MAPPINGS,
  },
  {
    name: 'a free block that begins at its page is taken for blocks in use',
    file: 'shadow.ts',
    find: '(marks << 1) >>> 2 != 0',
    replace: '(marks << 1) >>> 1 != 0',
    tests: MAPPINGS,
  },
  {
    name: 'a free block that ends at its page’s end is taken for blocks in use',
    file: 'shadow.ts',
    find: '(marks << 1) >>> 2 != 0',
    replace: 'marks >>> 1 != 0',
    tests: MAPPINGS,
  },
  {
    name: 'a search that finds a bin empty clears the bits of all bins in its word',
    file: 'node.ts',
    find: 'load<u64>(at) ^ (some & -some)',
    replace: '0',
    tests: ['verify', 'property'],
  },
  {
    name: 'nodes that are not in use are not given back',
    file: 'tables.ts',
    find: 'if (h.nodeFree) packNodes()',
    replace: '',
    tests: ['nodes'],
  },
  {
    name: 'pages of spans in a small heap take all that is free',
    file: 'span.ts',
    find: 'end - base() < SMALL_HEAP && was - s > bytes ? was - bytes : s',
    replace: 's',
    tests: ['footprint'],
  },
  {
    name: 'a large block is copied where empty spans lie behind it',
    file: 'malloc.ts',
    find: 'if (size >= LARGE && gather()) continue',
    replace: '',
    tests: ['footprint'],
  },
  {
    name: 'a heap without blocks keeps all spans of its first page',
    file: 'bin.ts',
    find: 'h.fixed >= BEGIN_SIZE + FIRST_SPANS + 2 * SPAN || ',
    replace: '',
    tests: ['footprint'],
  },
  {
    name: 'what the bins keep since the heap was empty stays when a page of spans takes more',
    file: 'span.ts',
    find: 'grow || !h.emptied ? lowerLast() : 0',
    replace: 'lowerLast()',
    tests: ['footprint'],
  },
  {
    name: 'a page of spans takes more only when the bins keep nothing',
    file: 'span.ts',
    find: 'grow || !h.emptied ? lowerLast() : 0',
    replace: 'grow ? lowerLast() : 0',
    tests: ['footprint'],
  },
  {
    name: 'what the bins keep is released only before the memory grows',
    file: 'bin.ts',
    find: 'h.settled || !crosses(h.top, n) || !gather()',
    replace: 'true',
    tests: ['repetition'],
  },
  {
    name: 'tables are not cleared where memory was written before',
    file: 'tables.ts',
    find: 'else if (to + at < h.fresh)',
    replace: 'else if (false)',
    tests: ['property'],
  },
  {
    name: 'that a block begins in a page is not noted',
    file: 'arena.ts',
    find: 'if (((p + CELL) ^ (stop + CELL)) >>> 16) touch(stop)',
    replace: '',
    tests: ['sizes', 'property'],
  },
  {
    name: 'that a block begins behind another is not noted',
    file: 'shadow.ts',
    find: '  touch(p)\n',
    replace: '',
    tests: ['sizes', 'property', ...MAPPINGS],
  },
  {
    name: 'the marks before a page’s border do not move with the tables',
    file: 'tables.ts',
    find: '(load<u8>(m) & load<u8>(m, 1))',
    replace: 'load<u8>(m)',
    tests: ['sizes', 'property', ...MAPPINGS, 'oom', 'repetition'],
  },
  {
    name: 'where the tables were counts as never written',
    file: 'growth.ts',
    find: 'h.fresh = max(h.fresh, start)',
    replace: '',
    tests: ['property', 'sizes', ...MAPPINGS, 'instances', 'oom'],
  },
  {
    name: 'what was written behind a break that was lowered counts as never written',
    file: 'break.ts',
    find: 'h.fresh = max(h.fresh, brk + CELL)',
    replace: 'h.fresh = max(h.fresh, brk)',
    tests: ['break'],
  },
  {
    name: 'the nodes of a full memory stay at its end',
    file: 'growth.ts',
    find: ' && !lodgeNodes()',
    replace: '',
    tests: ['nodes'],
  },
  {
    name: 'nodes that were lodged stay there',
    file: 'growth.ts',
    find: 'if (!h.lodge || !makeRoom(0, -(h.blocks >>> 2))) return false',
    replace: 'return false',
    tests: ['nodes'],
  },
  {
    name: 'the tables do not return to behind the header',
    file: 'tables.ts',
    find: 'h.blocksMax = max(LOW_BLOCKS,',
    replace: 'h.blocksMax = max(min(h.blocksMax, LOW_BLOCKS + 2),',
    tests: ['nodes'],
  },
  {
    name: 'a heap begins in memory that its host only says it has grown',
    file: 'start.ts',
    find: 'growMemory(pages - have) < end',
    replace: '!growMemory(pages - have)',
    tests: ['nodes'],
  },
  {
    name: 'the tables may be laid over blocks',
    file: 'growth.ts',
    find: 'a = start == gap ? h.top',
    replace: 'a = start == gap ? base()',
    tests: ['nodes'],
  },
  {
    name: 'a page that MAP_FIXED replaces stays mapped',
    file: 'region.ts',
    find: '  unmap(p, end)\n  map(',
    replace: '  map(',
    tests: MAPPINGS,
  },
  {
    name: 'a rest of top that is too little for a block is a free one before a gap',
    file: 'growth.ts',
    find: 'if (!isGap(gap - h.top)) gap = h.top',
    replace: '',
    tests: ['base'],
  },
  {
    name: 'an overflow from the last block is taken for zeros',
    file: 'arena.ts',
    find: 'max(h.fresh, p + CELL)',
    replace: 'max(h.fresh, p)',
    tests: ['conformance'],
  },
  {
    name: 'an overflow from what was the last block is taken for zeros',
    file: 'arena.ts',
    find: 'max(h.fresh, stop + CELL)',
    replace: 'max(h.fresh, stop)',
    tests: ['conformance'],
  },
  {
    name: 'large free blocks are not reached behind many that do not fit',
    file: 'arena.ts',
    find: '      tries = 1\n',
    replace: '      return 0\n',
    tests: ['repetition'],
  },
  {
    name: 'the mark at top is lost when the tables move to the end',
    file: 'tables.ts',
    find: 'if (!isMarked(around32(top))) flip(top)',
    replace: '',
    tests: ['sizes', ...MAPPINGS, 'base'],
  },
  {
    name: 'small blocks are a cell apart too little',
    file: 'size.ts',
    find: 'c += bin + 1',
    replace: 'c += max<u32>(bin, 1)',
    tests: ['sizes'],
  },
  {
    name: 'a block may reach over the end of its span',
    file: 'size.ts',
    find: 'c + bin < 64',
    replace: 'c < 64',
    tests: ['sizes'],
  },
  {
    name: 'the first free in a detached span is not noticed',
    file: 'bin.ts',
    find: 'was.free = -1',
    replace: '',
    tests: ['oom', 'repetition'],
  },
  {
    name: 'a span whose block realloc has moved goes on its bin’s list again',
    file: 'bin.ts',
    find: 'if (span.prev == DETACHED) {',
    replace: 'if (true) {',
    tests: ['property', 'repetition'],
  },
  {
    name: 'the last block of all may be freed unnoticed',
    file: 'bin.ts',
    find: '      activeOf(record).prev = 0\n',
    replace: '',
    tests: ['repetition'],
  },
  {
    name: 'there are nodes for a quarter of the blocks',
    file: 'node.ts',
    find: '(blocks + 3) << 3',
    replace: '(blocks + 3) << 2',
    tests: ['nodes'],
  },
  {
    name: 'blocks are cut for whose remains there are no nodes',
    file: 'arena.ts',
    find: 'if (end - stop < BLOCK_MIN || whole) {',
    replace: 'if (end - stop < BLOCK_MIN) {',
    tests: ['nodes'],
  },
  {
    name: 'blocks that are joined are still counted',
    file: 'node.ts',
    find: '  h.blocks--\n',
    replace: '',
    tests: ['nodes'],
  },
  {
    name: 'memory grows for a fixed mapping that others are in the way of',
    file: 'region.ts',
    find: 'if (p + n > h.border && isBlocked()) return taken',
    replace: '',
    tests: MAPPINGS,
  },
  {
    name: 'a detached span has no blocks',
    file: 'bin.ts',
    find: 'span.prev == DETACHED && !isHeader(span) ? cellsOf(span) : ~span.free',
    replace: '~span.free',
    tests: ['sizes'],
  },
  {
    name: 'a bin whose bit is set is taken to have a block',
    file: 'node.ts',
    find: 'if (number == head)',
    replace: 'if (false)',
    tests: ['sizes', 'conformance'],
  },
  {
    name: 'unused spans serve small requests only',
    file: 'malloc.ts',
    find: ' || takeRun(size)',
    replace: '',
    tests: ['runs'],
  },
  {
    name: 'a run goes over spans that are in use',
    file: 'span.ts',
    find: 'starts &= starts >>> 1',
    replace: 'left += 0',
    tests: ['runs'],
  },
  {
    name: 'a page whose unused spans are all in runs is still said to have some',
    file: 'span.ts',
    find: '      if (!unused) flipRoomy(page)\n',
    replace: '',
    tests: ['runs'],
  },
  {
    name: 'a run gives back its first span only',
    file: 'span.ts',
    find: 'if (bytes > SPAN) releaseRun(s + SPAN, bytes - SPAN)',
    replace: '',
    tests: ['runs'],
  },
  {
    name: 'a run is as long as a small block',
    file: 'malloc.ts',
    find: 'span.prev == RUN ? span.next : ',
    replace: '',
    tests: ['runs'],
  },
  {
    name: 'a page whose spans are all free is kept',
    file: 'span.ts',
    find: 'if (unused != spansFrom(start)) return',
    replace: 'if (start) return',
    tests: ['oom'],
  },
  {
    name: 'bytes given back to the break stay dirty',
    file: 'break.ts',
    find: 'h.fresh = max(h.fresh, brk + CELL)',
    replace: '',
    tests: ['break'],
  },
  {
    name: 'memory that others have grown is taken for the heap’s',
    file: 'break.ts',
    find: 'brk = limit = end',
    replace: 'limit = end',
    tests: ['instances'],
  },
  {
    name: 'what a host grows too much is taken for others’ memory',
    file: 'break.ts',
    find: 'h.limit = memoryEnd()',
    replace: 'h.limit = want',
    tests: ['break'],
  },
  {
    name: 'a growth that is refused is not tried with less',
    file: 'break.ts',
    find: 'if (want == need) return false',
    replace: 'return false',
    tests: ['break'],
  },
  {
    name: 'munmap takes what malloc holds',
    file: 'region.ts',
    find: /(function mayUnmap[\s\S]*?)if \(!number\) return false/,
    replace: '$1if (!number) return true',
    tests: MAPPINGS,
  },
  {
    name: 'mappings are not cleared',
    file: 'region.ts',
    find: 'memory.fill(p, 0, dirtyIn(p, n))',
    replace: '',
    tests: MAPPINGS,
  },
  {
    name: 'heap_verify does not compare the sum of free bytes',
    file: 'verify.ts',
    find: 'freeBytes != h.freeBytes || ',
    replace: '',
    tests: ['verify'],
  },
  {
    name: 'heap_verify does not look into the rings',
    file: 'verify.ts',
    find: 'if (!areListed(nodes)) return IN_BINS',
    replace: '',
    tests: ['verify'],
  },
  {
    name: 'aligned room that was found is thrown away at the last try',
    file: 'arena.ts',
    find: 'if (best) return carve(best, skew',
    replace: 'if (best && tries) return carve(best, skew',
    tests: ['repetition'],
  },
  {
    name: 'munmap accepts what lies behind the arena',
    file: 'region.ts',
    find: 'return min(end, size) <= h.end || address >= size',
    replace: 'return true',
    tests: MAPPINGS,
  },
  {
    name: 'nodes count that a refused request has not made',
    file: 'growth.ts',
    find: '      h.blocksMax = was\n',
    replace: '',
    tests: [...MAPPINGS, 'nodes'],
  },
  {
    name: 'the memory grows for the nodes of a mapping before it does for the mapping',
    file: 'bin.ts',
    find: 'lacking = nodesMayLack(more) && !makeRoom(CELL, more),',
    replace: 'lacking = !ensureNodes(more),',
    tests: MAPPINGS,
  },
  {
    name: 'the memory grows for a mapping too near to top',
    file: 'region.ts',
    find: 'if (!isGap(max(p, h.top) - h.top)) return ENOMEM\n',
    replace: '',
    tests: MAPPINGS,
  },
  {
    name: 'a block is cut without room for the nodes that lack then',
    file: 'bin.ts',
    find: 'if (reach != EVERYWHERE || ensureNodes(0)) return p',
    replace: 'return p',
    tests: ['nodes'],
  },
  {
    name: 'room for nodes is made before a block is looked for',
    file: 'bin.ts',
    find: 'else if (!extend(n, 0) && !gather()) reach = EVERYWHERE',
    replace: 'else if (!extend(n, 0) && !gather()) {\n ensureNodes(0)\n reach = EVERYWHERE\n }',
    tests: ['nodes'],
  },
  {
    name: 'the block that the nodes were in is released unnoticed',
    file: 'bin.ts',
    find: 'return any | leaveLodge()',
    replace: 'leaveLodge()\n  return any',
    tests: ['nodes'],
  },
  {
    name: 'nodes stay when the memory cannot grow',
    file: 'tables.ts',
    find: 'let fits = ',
    replace: 'let fits = h.blocksMax >= was && ',
    tests: ['nodes'],
  },
  {
    name: 'realloc does not look behind the block again',
    file: 'malloc.ts',
    find: 'failed = !q',
    replace: 'if (!q) return size <= old ? p : 0',
    tests: ['oom'],
  },
]

const folder = mkdtempSync(path.join(tmpdir(), 'mutants-'))
process.chdir(root)
/** The core as it was at the start: all mutants are made of the same. */
const sources = new Map(
  readdirSync('assembly').map((name) => [
    path.join('assembly', name),
    readFileSync(path.join('assembly', name), 'utf8'),
  ]),
)

/** Builds a target of asconfig.json, with a mutant's change, if there is one. Returns the module's path. */
async function build(target: string, mutant?: Mutant): Promise<string> {
  const file = path.join(folder, `${target}.wasm`)
  const options = ['--config', 'asconfig.json', '--target', target, '--optimizeLevel', '1', '--outFile', 'mutant.wasm']
  const result = await asc.main(options, {
    readFile(name) {
      const text = sources.get(path.normalize(name))
      if (text === undefined) return existsSync(name) ? readFileSync(name, 'utf8') : null
      return mutant && path.normalize(name) === path.join('assembly', mutant.file) ? mutate(text, mutant) : text
    },
    writeFile(name, contents) {
      if (name.endsWith('mutant.wasm')) writeFileSync(file, contents)
    },
    listFiles: () => null,
  })
  if (result.error) throw new Error(`${mutant?.name ?? 'the core'}: ${result.error.message}\n${result.stderr}`)
  return file
}

function mutate(text: string, { name, file, find, replace }: Mutant): string {
  const pattern = typeof find === 'string' ? find.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') : find.source
  const places = text.match(new RegExp(pattern, 'g'))?.length ?? 0
  if (places !== 1) throw new Error(`${name}: assembly/${file} has ${places} places to change, not one`)
  return text.replace(new RegExp(pattern), replace)
}

interface Report {
  testResults: { name: string; status: string; assertionResults: { fullName: string; status: string }[] }[]
}

/** Names of the tests that fail on the modules, or of the first one that does. A run longer than so many minutes counts as hung. */
function failures(fast: string, fault: string, tests: string[], one = false, minutes = 2): Set<string> {
  const report = path.join(folder, 'report.json')
  rmSync(report, { force: true })
  spawnSync(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--pool=threads', // so that what does not end ends with the process
      '--reporter=json',
      `--bail=${one ? 1 : 0}`,
      `--outputFile=${report}`,
      ...tests.map((name) => `tests/core/${name}.test.ts`),
    ],
    // A seed that is always the same, so that what is random fails in both runs or in none.
    { env: { ...process.env, SEED: '1', GRANARY_WASM: fast, GRANARY_FAULT_WASM: fault }, timeout: minutes * 60_000 },
  )
  let results: Report['testResults']
  try {
    results = (JSON.parse(readFileSync(report, 'utf8')) as Report).testResults
  } catch {
    return new Set(['the run, which did not end']) // it hangs or crashes
  }
  return new Set(
    results.flatMap(({ name, status, assertionResults }) => {
      const failed = assertionResults.filter((test) => test.status === 'failed').map((test) => test.fullName)
      return status === 'failed' && !failed.length ? [name] : failed
    }),
  )
}

let survivors = 0
for (const mutant of mutants) mutate(sources.get(path.join('assembly', mutant.file)) ?? '', mutant) // all can be made
try {
  const files = [...new Set(mutants.flatMap(({ tests }) => tests))]
  const before = failures(await build('fast'), await build('fault'), files, false, 15)
  if (before.size) console.log(`${before.size} tests fail on the core as it is; they do not count.`)
  for (const mutant of mutants) {
    const failed = failures(await build('fast', mutant), await build('fault', mutant), mutant.tests, !before.size)
    const killers = [...failed].filter((name) => !before.has(name))
    if (!killers.length) survivors++
    console.log(
      `${killers.length ? 'killed' : 'SURVIVED'}: ${mutant.name}${killers.length ? ` (${killers.length}: ${killers[0].trim()})` : ''}`,
    )
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(`${mutants.length - survivors} of ${mutants.length} mutants killed`)
process.exitCode = survivors ? 1 : 0
