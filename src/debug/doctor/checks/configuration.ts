/** Files that commands rely on: signature policy, registries, seccomp profile. */
import { readdirSync } from 'node:fs'
import { parsePolicy } from '../../../config/policy.ts'
import { errorMessage } from '../../../errors/tpod-error.ts'
import { findProgram, readText, systemPath } from '../probe.ts'
import { fail, install, ok, warn, type Check, type DoctorContext, type Finding } from '../types.ts'

export const configurationChecks: readonly Check[] = [
  { id: 'config.policy', run: async (context) => await Promise.resolve([checkPolicy(context)]) },
  { id: 'config.registries', run: async (context) => await Promise.resolve([checkRegistries(context)]) },
  { id: 'config.seccomp', run: async (context) => await Promise.resolve([checkSeccomp(context)]) },
]

function checkPolicy(context: DoctorContext): Finding {
  const path = firstReadable([`${context.home}/.config/containers/policy.json`, systemPath(context, '/etc/containers/policy.json')])
  if (path === undefined) {
    return warn('config.policy', 'no policy.json: podman, buildah and skopeo refuse to pull without one', `${install('golang-github-containers-common', 'containers-common')}\nor: mkdir -p /etc/containers && echo '{"default":[{"type":"insecureAcceptAnything"}]}' > /etc/containers/policy.json`)
  }
  const text = readText(path) ?? ''
  try {
    parsePolicy(text, path)
  } catch (error) {
    return fail('config.policy', `${path} is broken: nothing can be pulled`, `correct ${path}, see containers-policy.json(5)`, errorMessage(error))
  }
  if (!/"signedBy"/.test(text) || findProgram(context, 'gpg') !== undefined) return ok('config.policy', `${path} is there`)
  return warn('config.policy', `${path} asks for GPG signatures, and there is no gpg to verify them`, install('gpg', 'gnupg2'))
}

function checkRegistries(context: DoctorContext): Finding {
  const path = firstReadable([`${context.home}/.config/containers/registries.conf`, systemPath(context, '/etc/containers/registries.conf')])
  if (path === undefined) {
    return warn('config.registries', 'no registries.conf: short names (alpine) cannot be resolved', `${install('golang-github-containers-common', 'containers-common')}\nor: echo 'unqualified-search-registries = ["docker.io"]' > /etc/containers/registries.conf`)
  }
  const dropIns = systemPath(context, '/etc/containers/registries.conf.d')
  const texts = [path, ...listDirectory(dropIns).map((name) => `${dropIns}/${name}`)].map((file) => readText(file) ?? '')
  if (texts.some((text) => /^\s*unqualified-search-registries\s*=\s*\[\s*["']/m.test(text))) return ok('config.registries', `${path} and its drop-ins name search registries`)
  return warn('config.registries', `${path} names no search registries: short names without an alias fail`, `echo 'unqualified-search-registries = ["docker.io"]' > /etc/containers/registries.conf.d/00-search.conf`)
}

function checkSeccomp(context: DoctorContext): Finding {
  const candidates = context.seccompProfile === '' ? ['/etc/containers/seccomp.json', '/usr/share/containers/seccomp.json'].map((path) => systemPath(context, path)) : [context.seccompProfile]
  const path = firstReadable(candidates)
  if (path === undefined) return warn('config.seccomp', `no seccomp profile (${candidates.join(', ')})`, install('golang-github-containers-common', 'containers-common'))
  const problem = jsonProblem(readText(path) ?? '')
  return problem === undefined ? ok('config.seccomp', `${path} is there`) : fail('config.seccomp', `${path} is not valid JSON: no container can start`, `correct ${path}`, problem)
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function firstReadable(paths: readonly string[]): string | undefined {
  return paths.find((path) => readText(path) !== undefined)
}

function jsonProblem(text: string): string | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return errorMessage(error)
  }
}
