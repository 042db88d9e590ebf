// npm run bench:setup: runs bench/setup, which needs bash; help and refusals need only Node.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { refuseArguments, root } from '../scripts/run.mjs'

refuseArguments(`npm run bench:setup

Installs, as root on Debian 12, what npm run bench needs. Safe to run again.`)

const { status, error } = spawnSync(path.join(root, 'bench/setup'), { stdio: 'inherit' })
if (error) throw error
process.exitCode = status ?? 1
