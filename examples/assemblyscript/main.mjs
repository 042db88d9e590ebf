import { readFile } from 'node:fs/promises'
import loader from '@assemblyscript/loader'

const objects = await loader.instantiate(await readFile('objects.wasm'))
const { __newString, __pin, __unpin, words } = objects.exports
const text = __pin(__newString('the quick brown fox jumps over the lazy dog and the cat'))
console.log(words(text), 'words')
__unpin(text)

const blocks = await loader.instantiate(await readFile('blocks.wasm'))
console.log('the sum is', blocks.exports.sum(10000))
