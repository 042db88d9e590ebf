// node asc.mjs ARGUMENTS …: the AssemblyScript compiler, with a runtime that can share its memory. A program of its own,
// because the compiler takes many seconds to load into a process in which TypeScript is transformed.
import asc, { libraryFiles } from 'assemblyscript/asc'

// AssemblyScript's allocator doubles the whole memory when it grows. Of a memory whose first pages belong to the replay's
// driver it shall double its own part only: that is the one change to its source.
const doubling = 'max(pagesBefore, pagesNeeded)'
if (!libraryFiles['rt/tlsf'].includes(doubling)) throw new Error('rt/tlsf no longer grows as it did')
libraryFiles['rt/tlsf'] = libraryFiles['rt/tlsf'].replace(
  doubling,
  'max(pagesBefore - (__heap_base >>> 16), pagesNeeded)',
)

const { error } = await asc.main(process.argv.slice(2), { stdout: process.stdout, stderr: process.stderr })
if (error) process.exitCode = 1
