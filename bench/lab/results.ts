// What a run of the lab writes as JSON, and all that the report and the comparison know.

/** Raised whenever older runs lack something that the report or the comparison reads. */
export const FORMAT = 2

/** What the JSON of every run begins with. */
export const RESULTS_START = '{"format":'

/** How the commit ends in `tools` where the sources were not those of the commit. */
export const CHANGED = ' and changes since'

export interface Results {
  format: typeof FORMAT
  date: string
  /** quick or full. */
  mode: string
  machine: { cpu: string; cores: number; memory: number; system: string }
  node: string
  v8: string
  engineFlags: string[]
  tools: Record<string, string>
  allocators: AllocatorInfo[]
  workloads: WorkloadInfo[]
  replays: ReplayResult[]
  latencies: Latency[]
  growth: Growth[]
  footprints: Footprint[]
  sizes: Size[]
  native: NativeResult[]
  boundary: Boundary[]
  engines: EngineResult[]
  peaks: Peak[]
  instructions: Instructions[]
  /** Nanoseconds from a compiled module, and from its bytes, to an instance. */
  instantiation?: { compiled: number; bytes: number }
  /** Parts that were to be measured and could not be, with the reason. */
  missing: { what: string; why: string }[]
  /** In which part the run was when this was written; absent once all parts are done. */
  unfinished?: string
}

type About = 'format' | 'date' | 'mode' | 'machine' | 'node' | 'v8' | 'engineFlags' | 'tools'

/** What a run has measured at its start. */
export function noResults(): Omit<Results, About> {
  return {
    allocators: [],
    workloads: [],
    replays: [],
    latencies: [],
    growth: [],
    footprints: [],
    sizes: [],
    native: [],
    boundary: [],
    engines: [],
    peaks: [],
    instructions: [],
    missing: [],
  }
}

/** Whether what was read from a file has all parts that the report and the comparison read. */
export function isResults(read: unknown): read is Results {
  const about: About[] = ['date', 'mode', 'machine', 'node', 'v8', 'engineFlags', 'tools']
  const parts = Object(read)
  return parts.format === FORMAT && [...about, ...Object.keys(noResults())].every((part) => parts[part])
}

export interface AllocatorInfo {
  id: string
  title: string
  version: string
  source: string
  note?: string
  /** What it aligns blocks of 16 bytes and more to, in bytes, at least. */
  alignment: number
}

interface WorkloadInfo {
  id: string
  kind: 'bundled' | 'given' | 'synthetic'
  about: string
  operations: number
  peak: number
  largest: number
}

/** One allocator on one workload. The floor is an allocator, too: `floor`. */
export interface ReplayResult {
  workload: string
  allocator: string
  /** Why there are no figures, or why they do not count: the content check's finding, or that it did not finish. */
  fault?: string
  /** Gross nanoseconds an operation of each repetition. */
  cold: number[]
  warm: number[]
  /** Bytes from the heap's base to the memory's end after the first and after the second replay. */
  heap: number
  heapAgain: number
  /** Of the memory that the heap has when all is freed, the part that one block cannot have. */
  residue?: number
}

interface Latency {
  workload: string
  allocator: string
  fault?: string
  /** What an operation of the null allocator takes with the clock read around it: the median over all of the least of each. Subtracted below. */
  clock: number
  /** From batches of operations, nanoseconds each. */
  p50: number
  /** From single operations: the share of slower operations, and nanoseconds. */
  curve: { share: number; ns: number }[]
  max: number
}

export interface Growth {
  allocator: string
  fault?: string
  points: { live: number; ns: number; heap: number }[]
}

export interface Footprint {
  allocator: string
  /** Bytes from the heap's base before the first malloc, then with 1, 10 and 100 KB held. */
  start: number
  held: { bytes: number; heap: number }[]
}

export interface Size {
  allocator: string
  /** malloc, free and realloc alone; with calloc and aligned_alloc; all that C libraries have; all that the module
   *  exports. */
  functions: 'core' | 'five' | 'family' | 'all'
  level: 'O3' | 'Oz'
  raw: number
  gzip: number
}

export interface NativeResult {
  workload: string
  allocator: string
  version: string
  fault?: string
  cold: number[]
  warm: number[]
  /** Resident bytes at the peak beyond those before the replay; for granary, the bytes of its heap. */
  resident: number
}

interface Boundary {
  case: string
  contestant: string
  /** The mean. */
  ns: number
  /** Relative margin of error of the mean, as benchmark.js has it, in percent. */
  margin: number
}

/** One replay of one allocator. */
export interface Peak {
  workload: string
  allocator: string
  /** How far into a page its heap, or its own data below it, begins. */
  shift: number
  /** Bytes from the beginning of that page to the memory's end. */
  heap: number
  /** How often the memory grew. */
  growths: number
}

/** Those executed when the same was allocated and freed just before. */
export interface Instructions {
  allocator: string
  malloc: number
  free: number
}

export interface EngineResult {
  engine: string
  workload: string
  allocator: string
  fault?: string
  cold: number[]
  warm: number[]
}
