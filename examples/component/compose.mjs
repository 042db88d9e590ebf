// Makes a component of the core module and its interface, and JavaScript that runs it.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { componentEmbed, componentNew, preview1AdapterReactorPath, transpile } from '@bytecodealliance/jco'

const binary = await readFile('greet.core.wasm')
const core = await componentEmbed({ binary, witSource: await readFile('greet.wit', 'utf8') })
const adapter = await readFile(preview1AdapterReactorPath())
const component = await componentNew(core, [['wasi_snapshot_preview1', adapter]])

const { files } = await transpile(component, { name: 'greet' })
for (const [name, bytes] of Object.entries(files)) {
  const file = path.join('out', name)
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(file, bytes)
}
// Whatever the project's own says.
await writeFile('out/package.json', '{"type":"module"}')
