/** Certificates for one registry, from certs.d as containers-certs.d(5) lays it out, on top of the system's CAs. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, TpodError } from '../../errors/tpod-error.ts'

export interface TlsMaterial {
  /** Absent: the runtime's built-in list. */
  ca?: string[]
  cert?: string
  key?: string
  rejectUnauthorized: boolean
}

export interface TlsSearch {
  insecure: boolean
  /** --cert-dir: this directory alone. */
  certDirectory?: string
  /** Directories with HOST[:PORT]/; the first that has one for the host counts. */
  certDirectories: readonly string[]
}

/** Debian and Alpine, Fedora, openSUSE. */
const systemBundles = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/ca-bundle.pem', '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem', '/etc/ssl/cert.pem']

/** Throws CERTIFICATE_INVALID for a .cert without .key (or the reverse) and unreadable files. */
export async function readTlsMaterial(host: string, search: TlsSearch): Promise<TlsMaterial> {
  const material: TlsMaterial = { rejectUnauthorized: !search.insecure }
  const directories = search.certDirectory !== undefined ? [search.certDirectory] : search.certDirectories.map((directory) => join(directory, host))
  for (const directory of directories) {
    const names = listDirectory(directory, search.certDirectory !== undefined)
    if (names === undefined) continue
    readDirectoryMaterial(directory, names, material)
    break
  }
  if (search.insecure) return material
  const system = readSystemBundle()
  // A `ca` replaces the runtime's list, so the system's bundle has to come along with a registry's own CA.
  if (system !== undefined) material.ca = [system, ...(material.ca ?? [])]
  else if (material.ca !== undefined) material.ca = [...(await import('node:tls')).rootCertificates, ...material.ca]
  return material
}

function readDirectoryMaterial(directory: string, names: readonly string[], material: TlsMaterial): void {
  for (const name of names.toSorted()) {
    if (name.endsWith('.crt')) (material.ca ??= []).push(readPem(join(directory, name)))
    if (name.endsWith('.key') && !names.includes(name.replace(/\.key$/, '.cert'))) {
      throw new TpodError('CERTIFICATE_INVALID', `read ${join(directory, name)}: no ${name.replace(/\.key$/, '.cert')} beside it`, { remedy: 'CA files end in .crt, client certificates in .cert with a .key' })
    }
    if (!name.endsWith('.cert')) continue
    const keyName = name.replace(/\.cert$/, '.key')
    if (!names.includes(keyName)) {
      throw new TpodError('CERTIFICATE_INVALID', `read ${join(directory, name)}: no ${keyName} beside it`, { remedy: 'CA files end in .crt, client certificates in .cert with a .key' })
    }
    material.cert = readPem(join(directory, name))
    material.key = readPem(join(directory, keyName))
  }
}

function listDirectory(directory: string, mustExist: boolean): string[] | undefined {
  try {
    return readdirSync(directory)
  } catch (cause) {
    if (!mustExist && ['ENOENT', 'ENOTDIR', 'EACCES'].includes(errorCode(cause) ?? '')) return undefined
    throw new TpodError('CERTIFICATE_INVALID', `read certificates in ${directory}: ${errorCode(cause) === 'ENOENT' ? 'no such file or directory' : errorCode(cause)}`, { cause })
  }
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new TpodError('CERTIFICATE_INVALID', `read certificate ${path}: ${errorCode(cause)}`, { cause })
  }
}

/** The CAs that this machine trusts; undefined where no bundle is found: the runtime's own list. */
export function readSystemBundle(): string | undefined {
  for (const path of systemBundles) {
    try {
      const text = readFileSync(path, 'utf8')
      if (text.includes('BEGIN CERTIFICATE')) return text
    } catch {
      // Another distribution has it elsewhere.
    }
  }
  return undefined
}
