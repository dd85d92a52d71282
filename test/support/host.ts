/**
 * A store of its own for one test file, with tpod, podman, buildah and skopeo working on it, and a loopback registry.
 * Everything lives under one temporary directory and is taken down by `dispose`.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

export const projectRoot = join(import.meta.dirname, '../..')
export const tpodPath = join(projectRoot, 'bin/tpod')

export interface Result {
  code: number
  stdout: string
  stderr: string
}

export interface RunOptions {
  input?: string | Buffer
  env?: Record<string, string>
  cwd?: string
  timeoutMs?: number
}

export class TestHost {
  readonly directory: string
  readonly graphRoot: string
  readonly runRoot: string
  readonly env: Record<string, string>
  private readonly servers: ChildProcess[] = []

  constructor() {
    this.directory = mkdtempSync('/var/tmp/tpod-test-')
    this.graphRoot = join(this.directory, 'root')
    this.runRoot = join(this.directory, 'run')
    mkdirSync(join(this.directory, 'home'))
    writeFileSync(join(this.directory, 'containers.conf'), containersConf())
    writeFileSync(join(this.directory, 'registries.conf'), '')
    writeFileSync(join(this.directory, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}')
    this.env = {
      PATH: process.env['PATH'] ?? '/usr/bin:/bin:/usr/sbin:/sbin',
      HOME: join(this.directory, 'home'),
      LANG: 'C.UTF-8',
      TERM: 'xterm',
      CONTAINERS_CONF: join(this.directory, 'containers.conf'),
      CONTAINERS_REGISTRIES_CONF: join(this.directory, 'registries.conf'),
      // A storage.conf of the machine must not steer the tests.
      CONTAINERS_STORAGE_CONF: this.writeFile('storage.conf', `[storage]\ndriver = "overlay"\ngraphroot = "${this.graphRoot}"\nrunroot = "${this.runRoot}"\n`),
      ...(process.env['TPOD_RUNTIME'] === undefined ? {} : { TPOD_RUNTIME: process.env['TPOD_RUNTIME'] }),
    }
  }

  writeFile(name: string, content: string | Buffer): string {
    const path = join(this.directory, name)
    writeFileSync(path, content)
    return path
  }

  storeFlags(): string[] {
    return ['--root', this.graphRoot, '--runroot', this.runRoot]
  }

  tpod(args: readonly string[], options: RunOptions = {}): Result {
    return this.run(tpodPath, [...this.storeFlags(), ...args], options)
  }

  /** Throws with both outputs unless the command succeeded; gives stdout without the last newline. */
  tpodOk(args: readonly string[], options: RunOptions = {}): string {
    return expectOk(['tpod', ...args], this.tpod(args, options))
  }

  spawnTpod(args: readonly string[], options: { env?: Record<string, string>; detached?: boolean } = {}): ChildProcess {
    return spawn(tpodPath, [...this.storeFlags(), ...args], { env: { ...this.env, ...options.env }, detached: options.detached ?? false, stdio: ['pipe', 'pipe', 'pipe'] })
  }

  podman(args: readonly string[], options: RunOptions = {}): Result {
    return this.run('podman', [...this.storeFlags(), '--tmpdir', join(this.directory, 'podman-tmp'), ...args], options)
  }

  podmanOk(args: readonly string[], options: RunOptions = {}): string {
    return expectOk(['podman', ...args], this.podman(args, options))
  }

  run(file: string, args: readonly string[], options: RunOptions = {}): Result {
    const result = spawnSync(file, args, {
      env: { ...this.env, ...options.env },
      input: options.input ?? '',
      cwd: options.cwd ?? this.directory,
      timeout: options.timeoutMs ?? 120_000,
      maxBuffer: 256 * 1024 * 1024,
    })
    if (result.error) throw result.error
    return { code: result.status ?? 128, stdout: result.stdout.toString(), stderr: result.stderr.toString() }
  }

  /** A directory with a busybox userland: /bin/sh and its applets, /etc/passwd with root and a user 1000. */
  busyboxRootfs(): string {
    const rootfs = join(this.directory, 'rootfs')
    if (existsSync(rootfs)) return rootfs
    for (const name of ['bin', 'etc', 'tmp', 'home/user', 'var/log', 'root', 'usr/share']) mkdirSync(join(rootfs, name), { recursive: true })
    copyFileSync('/bin/busybox', join(rootfs, 'bin/busybox'))
    chmodSync(join(rootfs, 'bin/busybox'), 0o755)
    chmodSync(join(rootfs, 'tmp'), 0o1777)
    const applets = spawnSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).stdout.split('\n').filter((name) => name !== '' && name !== 'busybox')
    for (const name of applets) symlinkSync('busybox', join(rootfs, 'bin', name))
    writeFileSync(join(rootfs, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n')
    writeFileSync(join(rootfs, 'etc/group'), 'root:x:0:\nuser:x:1000:\nextra:x:2000:user\n')
    return rootfs
  }

  /** Puts an image `name` into the store with podman (docker or oci manifest), one layer, CMD sh. */
  importBusybox(name = 'localhost/busybox:latest', changes: readonly string[] = ['CMD ["sh"]']): void {
    const tar = this.busyboxTar()
    this.podmanOk(['import', '-q', ...changes.flatMap((change) => ['--change', change]), tar, name])
  }

  busyboxTar(): string {
    const tar = join(this.directory, 'busybox.tar')
    if (!existsSync(tar)) expectOk(['tar'], this.run('tar', ['-C', this.busyboxRootfs(), '-cf', tar, '.']))
    return tar
  }

  /** Debian's docker-registry on a free loopback port; with `htpasswd` (user:password) it asks for Basic auth. */
  async startRegistry(options: { user?: string; password?: string } = {}): Promise<string> {
    const port = await freePort()
    const name = `registry-${port}`
    let auth = ''
    if (options.user !== undefined) {
      const line = expectOk(['htpasswd'], this.run('htpasswd', ['-Bbn', options.user, options.password ?? '']))
      auth = `auth:\n  htpasswd:\n    realm: test\n    path: ${this.writeFile(`${name}.htpasswd`, line + '\n')}\n`
    }
    const config = this.writeFile(
      `${name}.yml`,
      `version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: ${join(this.directory, name)}\n  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:${port}\n${auth}`,
    )
    const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore', env: this.env })
    this.servers.push(child)
    const address = `127.0.0.1:${port}`
    for (let attempt = 0; ; attempt++) {
      const up = await fetch(`http://${address}/v2/`).then(() => true, () => false)
      if (up) break
      if (attempt > 100) throw new Error('the loopback registry did not come up')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    this.registries(`[[registry]]\nlocation = "${address}"\ninsecure = true\n`)
    return address
  }

  /** Appends to the registries.conf that all tools read here. */
  registries(text: string): void {
    const path = join(this.directory, 'registries.conf')
    writeFileSync(path, text + readFileSync(path, 'utf8'))
  }

  /** Mount points, processes and other traces that mention this host's directory. */
  leftovers(): string[] {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      .filter((path) => path.startsWith(`${this.directory}/`) && path !== join(this.graphRoot, 'overlay'))
    const processes = this.run('pgrep', ['-fa', this.directory]).stdout.split('\n').filter((line) => line !== '' && !/docker-registry|pgrep/.test(line))
    return [...mounts, ...processes]
  }

  /** The store's own bridge and rules: they outlive its containers on purpose, but not its tests. */
  private removeBridge(): void {
    const bridge = this.tpod(['network', 'inspect', '--format', '{{.NetworkInterface}}', 'podman']).stdout.trim()
    if (!/^tpod\d+$/.test(bridge)) return
    this.run('ip', ['link', 'delete', bridge])
    this.run('nft', ['delete', 'table', 'inet', bridge])
  }

  dispose(): void {
    if (existsSync(this.graphRoot)) {
      this.tpod(['rm', '-a', '-f', '-t', '0'])
      this.podman(['rm', '-a', '-f', '-t', '0'])
      this.removeBridge()
    }
    for (const server of this.servers) server.kill('SIGKILL')
    for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n').reverse()) {
      const path = line.split(' ')[4]
      if (path?.startsWith(`${this.directory}/`)) this.run('umount', ['-l', path])
    }
    rmSync(this.directory, { recursive: true, force: true })
  }
}

export function expectOk(command: readonly string[], result: Result): string {
  if (result.code !== 0) throw new Error(`${command.join(' ')} ended with ${result.code}\n${result.stderr}${result.stdout}`)
  return result.stdout.replace(/\n$/, '')
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/**
 * The same for podman and tpod: no raised rlimits (a machine without CAP_SYS_RESOURCE refuses them and podman then can't
 * run at all), cgroupfs where no systemd runs, and runc where crun refuses a hybrid cgroup host or TPOD_TEST_RUNTIME asks for it.
 */
function containersConf(): string {
  const controllers = '/sys/fs/cgroup/unified/cgroup.controllers'
  const isMixed = existsSync(controllers) && readFileSync(controllers, 'utf8').trim() !== ''
  const name = process.env['TPOD_TEST_RUNTIME'] ?? (isMixed ? 'runc' : undefined)
  const runtime = name === undefined ? '' : `runtime = "${name}"\n`
  return `[containers]\ndefault_ulimits = []\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n${runtime}`
}

/** Like `host.tpod`, but this process goes on meanwhile: for commands that talk to a server of the test's own. */
export function spawnTpodResult(host: TestHost, args: readonly string[]): Promise<Result> {
  return new Promise((resolve) => {
    const child = host.spawnTpod(args)
    let stdout = ''
    let stderr = ''
    child.stdin?.end()
    child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('close', (code) => resolve({ code: code ?? 128, stdout, stderr }))
  })
}
