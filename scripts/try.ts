/** The end of `npm run try`: makes localhost/starter in the default store (no registry needed) and runs a container from it. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { arch, homedir } from 'node:os'
import { join } from 'node:path'
import { loadStorageOptions } from '../src/config/storage-conf.ts'
import { makeStarterImage, starterName } from '../src/image/starter-image.ts'
import { openStore } from '../src/storage/open-store.ts'

const tpod = join(import.meta.dirname, '../bin/tpod')

async function main(): Promise<void> {
  const uid = process.getuid?.() ?? 0
  if (uid !== 0) throw new Error('rootless containers come with a later release: run it as root (sudo npm run try)')
  const busyboxPath = ['/bin/busybox', '/usr/bin/busybox', '/usr/sbin/busybox'].find((path) => existsSync(path))
  if (busyboxPath === undefined) throw new Error('a static busybox is needed: apt-get install busybox-static (Fedora: dnf install busybox)')
  const applets = spawnSync(busyboxPath, ['--list'], { encoding: 'utf8' }).stdout.split('\n').filter((name) => name !== '')
  const store = await openStore(await loadStorageOptions({ env: process.env, isRoot: true, uid, home: homedir() }))
  const architecture = { x64: 'amd64', arm64: 'arm64' }[arch() as string] ?? arch()
  const image = await makeStarterImage(store, { busybox: readFileSync(busyboxPath), applets, architecture })
  process.stdout.write(`made ${starterName} (${image.id.slice(0, 12)}) in ${store.graphRoot}\n`)
  run(['images', '--filter', 'reference=localhost/starter'])
  run(['run', '--rm', starterName, 'sh', '-c', 'echo "Hello from $(hostname), a container of $(busybox | head -1 | cut -d" " -f1-2) on $(uname -s) $(uname -r)"; echo "eth0: $(ip -4 -o address show eth0 | awk \'{print $4}\')"'])
  process.stdout.write(`\nNext: bin/tpod run --rm -ti ${starterName}\n`)
}

function run(args: readonly string[]): void {
  process.stdout.write(`\n$ tpod ${args.slice(0, 3).join(' ')}${args.length > 3 ? ' …' : ''}\n`)
  const { status } = spawnSync(tpod, args, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

try {
  await main()
} catch (error) {
  process.stderr.write(`try: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
