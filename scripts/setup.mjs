#!/usr/bin/env node
// Brings a fresh machine to the point where tpod runs: system packages, npm packages, native addon, executable.
// Plain JavaScript without imports from npm: it runs on whatever Node the machine has, before anything is installed.
//   setup.mjs          what running needs
//   setup.mjs --try    and then makes localhost/starter and runs a container from it
//   setup.mjs --test   and what the tests need besides (podman, buildah, skopeo, a registry, …)
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const wantsTest = process.argv.includes('--test')
const wantsTry = process.argv.includes('--try')

/** Debian package: Fedora package. */
const runPackages = {
  conmon: 'conmon',
  crun: 'crun',
  runc: 'runc',
  nftables: 'nftables',
  iproute2: 'iproute',
  catatonit: 'catatonit',
  'busybox-static': 'busybox',
  'golang-github-containers-common': 'containers-common',
  'ca-certificates': 'ca-certificates',
  // node-gyp builds the addon with these
  'g++': 'gcc-c++',
  make: 'make',
  python3: 'python3',
}
const testPackages = {
  podman: 'podman',
  buildah: 'buildah',
  skopeo: 'skopeo',
  netavark: 'netavark',
  'docker-registry': 'docker-distribution',
  'apache2-utils': 'httpd-tools',
  iptables: 'iptables',
  procps: 'procps-ng',
  attr: 'attr',
  'libcap2-bin': 'libcap',
  'util-linux': 'util-linux',
  'xz-utils': 'xz',
  bzip2: 'bzip2',
  zstd: 'zstd',
  tmux: 'tmux',
  gnupg: 'gnupg2',
  openssl: 'openssl',
  'openssh-client': 'openssh-clients',
  'openssh-server': 'openssh-server',
  strace: 'strace',
}

function fail(message) {
  process.stderr.write(`setup: ${message}\n`)
  process.exit(1)
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (result.error) fail(`cannot run ${command}: ${result.error.message}`)
  if (result.status !== 0) fail(`${command} ${args.join(' ')} ended with ${result.status ?? result.signal}`)
}

/** /etc/os-release as an object; {} where there is none. */
function osRelease() {
  if (!existsSync('/etc/os-release')) return {}
  return Object.fromEntries(
    readFileSync('/etc/os-release', 'utf8')
      .split('\n')
      .map((line) => /^(\w+)="?([^"]*)"?$/.exec(line))
      .filter((match) => match !== null)
      .map((match) => [match[1], match[2]]),
  )
}

function missingDebianPackages(names) {
  const result = spawnSync('dpkg-query', ['-W', '-f', '${binary:Package} ${db:Status-Status}\n', ...names], { encoding: 'utf8' })
  const installed = new Set(
    (result.stdout ?? '')
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0].replace(/:.*$/, '')),
  )
  return names.filter((name) => !installed.has(name))
}

function installSystemPackages() {
  const packages = wantsTest ? { ...runPackages, ...testPackages } : runPackages
  const release = osRelease()
  const family = `${release.ID ?? ''} ${release.ID_LIKE ?? ''}`
  if (!/\b(debian|ubuntu)\b/.test(family)) {
    const probes = ['conmon', 'nft', 'ip', 'catatonit', 'busybox', 'make', 'g++', 'python3']
    const lacking = probes.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0)
    if (lacking.length === 0) return
    const names = Object.values(packages).join(' ')
    if (/\b(fedora|rhel|centos)\b/.test(family)) fail(`missing: ${lacking.join(', ')}. Install them first:\n  sudo dnf install ${names}`)
    fail(`missing: ${lacking.join(', ')}. Install your distribution's packages of: ${Object.keys(packages).join(' ')}`)
  }
  const missing = missingDebianPackages(Object.keys(packages))
  if (missing.length === 0) return
  if (process.getuid() !== 0) fail(`missing Debian packages. Install them first:\n  sudo apt-get install --no-install-recommends ${missing.join(' ')}`)
  process.stdout.write(`setup: installing ${missing.join(' ')}\n`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = ['install', '-y', '-qq', '--no-install-recommends', ...missing]
  const quiet = { env, stdio: ['ignore', 'ignore', 'inherit'] }
  // The package lists of a machine that has them may do; a fresh one has none.
  if (spawnSync('apt-get', install, { ...quiet, stdio: 'ignore' }).status === 0) return
  run('apt-get', ['update', '-qq'], quiet)
  run('apt-get', install, quiet)
}

/** npm writes this file last; older than the lock file means that the tree is not what the lock says. */
function installNpmPackages() {
  const marker = join(root, 'node_modules/.package-lock.json')
  const lock = join(root, 'package-lock.json')
  if (existsSync(marker) && statSync(marker).mtimeMs >= statSync(lock).mtimeMs) return
  process.stdout.write('setup: installing npm packages\n')
  // node-pty drives terminals in tests and is the one package with an install script.
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
}

function pinnedNode() {
  const pinned = join(root, 'node_modules/.bin/node')
  return existsSync(pinned) ? pinned : process.execPath
}

installSystemPackages()
installNpmPackages()
run(pinnedNode(), ['scripts/build-native.ts'])
run(pinnedNode(), ['scripts/build.ts'])
if (wantsTry) run(pinnedNode(), ['scripts/try.ts'])
