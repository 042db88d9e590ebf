// npm test: installs, builds, runs every test that needs nothing but Node.
import { install, run, runTool } from './run.mjs'

install()
run(process.execPath, ['scripts/build.mjs'])
runTool('vitest/vitest.mjs', 'run', ...process.argv.slice(2))
