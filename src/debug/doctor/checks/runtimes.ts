/** conmon, crun, runc, and the init for --init. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { detectCgroups } from '../../../host/cgroup/detect.ts'
import { crunObstacle } from '../../../ociruntime/choose-runtime.ts'
import { findProgram, isOlder, parseVersion, probe, readVersion } from '../probe.ts'
import { fail, install, ok, warn, type Check, type DoctorContext, type Finding } from '../types.ts'

/** The first conmon that cleans up well after a killed parent; older ones work. */
const GOOD_CONMON = [2, 0, 24]
const ABSENT_PROGRAM = '/tpod-doctor-absent'

export const runtimeChecks: readonly Check[] = [
  { id: 'conmon', run: checkConmon },
  { id: 'runtime', run: checkRuntimes },
  { id: 'init', run: checkInit },
]

async function checkConmon(context: DoctorContext): Promise<Finding[]> {
  const path = context.conmonPaths.map((candidate) => findProgram(context, candidate)).find((found) => found !== undefined) ?? findProgram(context, 'conmon')
  if (path === undefined) return [fail('conmon', 'conmon is not installed: no container can start', install('conmon'))]
  const version = await readVersion(path)
  if (version === '') return [fail('conmon', `${path} does not run`, install('--reinstall conmon', 'conmon'))]
  if (isOlder(parseVersion(version), GOOD_CONMON)) return [warn('conmon', `${version} is old`, install('conmon'), path)]
  return [ok('conmon', version, path)]
}

async function checkRuntimes(context: DoctorContext): Promise<Finding[]> {
  const names = Object.keys(context.runtimePaths).filter((name) => name === 'crun' || name === 'runc')
  const findings = await Promise.all((names.length > 0 ? names : ['crun', 'runc']).map(async (name) => await checkRuntime(context, name)))
  const present = findings.filter((finding) => finding !== undefined)
  if (present.length === 0) return [fail('runtime', 'neither crun nor runc is installed: no container can start', install('crun'))]
  // One that works is enough.
  const works = present.some((finding) => finding.status === 'ok')
  return present.map((finding) => (works && finding.status === 'fail' ? { ...finding, status: 'warn' } : finding))
}

async function checkRuntime(context: DoctorContext, name: string): Promise<Finding | undefined> {
  const candidates = context.runtimePaths[name] ?? []
  const path = candidates.map((candidate) => findProgram(context, candidate)).find((found) => found !== undefined) ?? findProgram(context, name)
  if (path === undefined) return undefined
  const id = `runtime.${name}`
  const obstacle = name === 'crun' ? crunObstacle(detectCgroups()) : undefined
  if (obstacle) return fail(id, obstacle.message, obstacle.remedy, path)
  const [version, complaint] = await Promise.all([readVersion(path), tryRuntime(path, context)])
  if (version === '') return fail(id, `${path} does not run`, install(`--reinstall ${name}`, name))
  if (complaint !== '') return fail(id, `${version} cannot make a container here`, `run "${path} --debug run" by hand with any bundle; try the other runtime (--runtime)`, complaint)
  return ok(id, version, path)
}

/**
 * Makes a container whose program does not exist: a runtime that gets as far as missing it has set up namespaces,
 * cgroup and mounts. '' when it did, else what it said.
 */
async function tryRuntime(path: string, context: DoctorContext): Promise<string> {
  const bundle = mkdtempSync(`${tmpdir()}/tpod-doctor-`)
  try {
    for (const name of ['proc', 'dev']) mkdirSync(`${bundle}/rootfs/${name}`, { recursive: true })
    mkdirSync(`${bundle}/state`)
    writeFileSync(`${bundle}/config.json`, JSON.stringify(makeSpec(context)))
    const id = bundle.slice(bundle.lastIndexOf('/') + 1)
    const { complaint } = await probe(path, ['--root', `${bundle}/state`, 'run', '--bundle', bundle, id])
    await probe(path, ['--root', `${bundle}/state`, 'delete', '--force', id])
    return /not found|no such file/i.test(complaint) && complaint.includes(ABSENT_PROGRAM) ? '' : complaint === '' ? 'it said nothing' : complaint
  } finally {
    rmSync(bundle, { recursive: true, force: true })
  }
}

function makeSpec({ uid, gid }: DoctorContext): unknown {
  const types = ['pid', 'mount', 'ipc', 'uts', 'network', ...(uid === 0 ? [] : ['user'])]
  const mappings = uid === 0 ? {} : { uidMappings: [{ containerID: 0, hostID: uid, size: 1 }], gidMappings: [{ containerID: 0, hostID: gid, size: 1 }] }
  return {
    ociVersion: '1.0.2',
    process: { terminal: false, user: { uid: 0, gid: 0 }, args: [ABSENT_PROGRAM], env: ['PATH=/'], cwd: '/' },
    root: { path: 'rootfs', readonly: true },
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
    linux: { namespaces: types.map((type) => ({ type })), ...mappings },
  }
}

async function checkInit(context: DoctorContext): Promise<Finding[]> {
  const path = await Promise.resolve(context.initPath === '' ? (findProgram(context, 'catatonit') ?? findProgram(context, 'tini')) : findProgram(context, context.initPath))
  if (path === undefined) return [warn('init', 'no init for containers: --init fails', install('catatonit'))]
  return [ok('init', `${path} serves --init`)]
}
