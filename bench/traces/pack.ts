// Writes the traces that it is given into this folder, in the bundled form (columns.ts), after reading each back and comparing
// every bit.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { packTrace, unpackTrace } from '../columns.ts'
import { formatTrace, TraceError } from '../trace.ts'
import { BUNDLED, folder, nameOf, readTrace } from './bundled.ts'

const files = process.argv.slice(2)
if (!files.length || files[0].startsWith('-')) {
  console.error('usage: node --import tsx bench/traces/pack.ts FILE.mtrc.gz …')
  process.exit(1)
}
try {
  for (const file of files) {
    const trace = readTrace(file)
    const packed = packTrace(trace)
    const plain = Buffer.from(formatTrace(trace))
    if (!plain.equals(formatTrace(unpackTrace(packed, file)))) throw new TraceError(`${file}: does not survive packing`)
    writeFileSync(path.join(folder, nameOf(file) + BUNDLED), packed)
    console.log(`${nameOf(file)}: ${plain.length} bytes as MTRC, ${packed.length} packed`)
  }
} catch (error) {
  if (!(error instanceof TraceError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
