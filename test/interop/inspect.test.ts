/** inspect, ps, images, volume, network and info as JSON: the same keys and types as podman's, and equal values where both speak of the same. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { TestHost } from '../support/host.ts'

const host = new TestHost()
const image = 'localhost/busybox:latest'

before(() => host.importBusybox('localhost/busybox:latest', ['CMD ["sh"]', 'LABEL made=here', 'ENV FROM=image', 'WORKDIR /home', 'EXPOSE 80/tcp']))
after(() => host.dispose())

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** Paths at which two documents differ in keys or types. Lists are compared by their first elements; one side's null fits all. */
function shapeDifferences(ours: Json, theirs: Json, path = ''): string[] {
  if (ours === null || theirs === null) return []
  if (Array.isArray(ours) && Array.isArray(theirs)) return ours[0] === undefined || theirs[0] === undefined ? [] : shapeDifferences(ours[0], theirs[0], `${path}[]`)
  if (Array.isArray(ours) || Array.isArray(theirs) || typeof ours !== typeof theirs) return [`${path}: ${typeof ours}, podman ${typeof theirs}`]
  if (typeof ours !== 'object' || typeof theirs !== 'object') return []
  const keys = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])]
  return keys.flatMap((key) => {
    const [mine, other] = [ours[key], theirs[key]]
    if (mine === undefined) return [`${path}.${key}: missing`]
    return other === undefined ? [`${path}.${key}: not podman's`] : shapeDifferences(mine, other, `${path}.${key}`)
  })
}

function get(document: Json, path: string): Json | undefined {
  return path.split('.').reduce<Json | undefined>((value, key) => (typeof value === 'object' && value !== null && !Array.isArray(value) ? value[key] : undefined), document)
}

function inspect(tool: 'tpod' | 'podman', args: readonly string[]): Json {
  const [document] = JSON.parse(tool === 'tpod' ? host.tpodOk(args) : host.podmanOk(args)) as [Json]
  return document
}

const flags = [
  '--network', 'host', '-v', 'data:/data', '-v', '/etc:/mnt/etc:ro', '--tmpfs', '/scratch:size=1m', '--label', 'x=y', '--env', 'A=b', '--memory', '64m', '--cpus', '0.5',
  '--pids-limit', '50', '--cap-add', 'SYS_TIME', '--cap-drop', 'MKNOD', '--hostname', 'hh', '--stop-timeout', '3', '--stop-signal', 'INT', '--workdir', '/tmp',
  '--log-driver', 'k8s-file', '--log-opt', 'max-size=1m', '--security-opt', 'no-new-privileges', '--read-only',
]

const equal = [
  'Path', 'Args', 'Image', 'ImageDigest', 'ImageName', 'Driver', 'OCIRuntime', 'Rootfs', 'RestartCount', 'Mounts', 'IsInfra', 'NetworkSettings.Ports',
  'State.Status', 'State.Running', 'State.Paused', 'State.ExitCode', 'State.OOMKilled', 'State.Health',
  'Config.Hostname', 'Config.User', 'Config.Tty', 'Config.OpenStdin', 'Config.Cmd', 'Config.Image', 'Config.WorkingDir', 'Config.Entrypoint', 'Config.Labels', 'Config.StopSignal', 'Config.StopTimeout', 'Config.Umask',
  'HostConfig.Binds', 'HostConfig.Tmpfs', 'HostConfig.NetworkMode', 'HostConfig.PortBindings', 'HostConfig.CapAdd', 'HostConfig.CapDrop', 'HostConfig.Memory', 'HostConfig.MemorySwap', 'HostConfig.MemorySwappiness',
  'HostConfig.NanoCpus', 'HostConfig.PidsLimit', 'HostConfig.ReadonlyRootfs', 'HostConfig.SecurityOpt', 'HostConfig.IpcMode', 'HostConfig.PidMode', 'HostConfig.UTSMode', 'HostConfig.LogConfig.Type', 'HostConfig.LogConfig.Size', 'HostConfig.RestartPolicy', 'HostConfig.AutoRemove', 'HostConfig.Privileged',
]

for (const [state, command] of [['created', ['create']], ['running', ['run', '-d']], ['exited', ['run']]] as const) {
  test(`a ${state} container`, () => {
    const words = state === 'exited' ? ['sh', '-c', 'exit 3'] : ['sleep', '100']
    const [ours, theirs] = (['tpod', 'podman'] as const).map((tool): Json => {
      const made = host[tool]([...command, '--name', `${tool}-${state}`, ...flags, image, ...words])
      assert.equal(made.code, state === 'exited' ? 3 : 0, made.stderr)
      return inspect(tool, ['container', 'inspect', `${tool}-${state}`])
    }) as [Json, Json]
    // podman writes the annotations when it starts the container; ours know whether there is a health check.
    const differences = shapeDifferences(ours, theirs).filter((line) => !/\.Config\.Annotations\.|\.OCIConfigPath: /.test(line))
    assert.deepEqual(differences, [])
    for (const path of equal) assert.deepEqual(get(ours, path), get(theirs, path), path)
    // Of an ended one podman still knows the HOME that its start found.
    const sorted = (document: Json): string[] => (get(document, 'Config.Env') as string[]).filter((entry) => state !== 'exited' || !entry.startsWith('HOME=')).toSorted()
    assert.deepEqual(sorted(ours), sorted(theirs))
  })
}

test('ps', () => {
  const rows = (['tpod', 'podman'] as const).map((tool) => inspect(tool, ['ps', '-a', '--filter', `name=^${tool}-exited$`, '--format', 'json'])) as [Json, Json]
  assert.deepEqual(shapeDifferences(...rows).filter((line) => !line.startsWith('.Restarts')), [])
  for (const path of ['Command', 'Exited', 'ExitCode', 'Image', 'ImageID', 'State', 'Labels', 'Networks', 'Ports', 'AutoRemove', 'Size']) assert.deepEqual(get(rows[0], path), get(rows[1], path), path)
})

test('images and image inspect agree to the letter', () => {
  assert.deepEqual(inspect('tpod', ['image', 'inspect', image]), inspect('podman', ['image', 'inspect', image]))
  const listed = (['tpod', 'podman'] as const).map((tool) => inspect(tool, ['images', '--format', 'json'])) as [Json, Json]
  assert.deepEqual({ ...listed[0] as object, Containers: 0 }, { ...listed[1] as object, Containers: 0 })
})

test('volumes and networks have podman\'s keys', () => {
  host.tpodOk(['volume', 'create', '--label', 'a=b', 'ours'])
  host.podmanOk(['volume', 'create', '--label', 'a=b', 'theirs'])
  const volumes = shapeDifferences(inspect('tpod', ['volume', 'inspect', 'ours']), inspect('podman', ['volume', 'inspect', 'theirs']))
  // podman leaves `false` out, and counts mounts of volumes that are mounted.
  assert.deepEqual(volumes.filter((line) => !/^\.(Anonymous|MountCount)/.test(line)), [])
  const networks = shapeDifferences(inspect('tpod', ['network', 'inspect', 'podman']), inspect('podman', ['network', 'inspect', 'podman']))
  assert.deepEqual(networks.filter((line) => !line.startsWith('.created')), [])
})

test('templates reach the fields by podman\'s names', () => {
  for (const format of ['{{.Id}}', '{{.ID}}', '{{.Config.Labels.made}}', '{{json .Config.Cmd}}', '{{index .Config.Labels "nope"}}', '{{.Config.Labels.nope}}', '{{len .HostConfig.CapAdd}}', '{{range .Mounts}}{{.Destination}};{{end}}', '{{.HostConfig.Memory}}']) {
    const ours = host.tpodOk(['inspect', 'tpod-exited', '--format', format])
    const theirs = host.podmanOk(['inspect', 'podman-exited', '--format', format])
    if (/Id|ID/.test(format)) assert.match(ours, /^[0-9a-f]{64}$/)
    else assert.equal(ours, theirs, format)
  }
  for (const args of [['inspect', 'tpod-exited'], ['images'], ['ps', '-a'], ['info'], ['version'], ['network', 'inspect', 'podman'], ['volume', 'inspect', 'ours']]) {
    const refused = host.tpod([...args, '--format', '{{.Nonsense}}'])
    assert.equal(refused.code, 125, args.join(' '))
    assert.match(refused.stderr, /can't evaluate field Nonsense/)
  }
})
