import { greet } from './out/greet.js'

for (let i = 0; i < 1000; i++) greet('x'.repeat(i))
console.log(greet('component model'))
