// npm start: installs, then looks at its arguments, builds and replays traces (bench/start/main.ts).
import { install, run } from './run.mjs'

install()
run(process.execPath, ['--import', 'tsx', 'bench/start/main.ts', ...process.argv.slice(2)], {
  env: { INIT_CWD: process.cwd(), ...process.env },
})
