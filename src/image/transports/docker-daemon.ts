/** docker-daemon: images of a docker engine, through its API: what `docker save` and `docker load` do. */
import { TpodError } from '../../errors/tpod-error.ts'
import { formatReference, parseNormalizedReference } from '../../oci/reference.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import { dockerPolicyScopes } from '../trust/policy-scopes.ts'
import type { EndpointOptions, ImageDestination, ImageIdentity, ImageSource, TransportContext } from '../types.ts'
import { openArchiveDescriptor } from './archive-files.ts'
import { openDaemonClient } from './daemon-client.ts'
import { chooseDockerImage, readDockerManifest } from './docker-archive-manifest.ts'
import { dockerArchiveSource } from './docker-archive-source.ts'
import { DockerArchiveWriter } from './docker-archive-writer.ts'
import { spoolToFile } from './spool-file.ts'

interface DaemonName {
  /** As the engine's API is asked. */
  text: string
  reference?: QualifiedReference
}

/** NAME:TAG or an image id with `sha256:`. The engine's archive is kept in a temporary file. Throws BAD_IMAGE_NAME, DAEMON_UNREACHABLE, DAEMON_ERROR. */
export async function openDaemonSource(context: Pick<TransportContext, 'temporaryDirectory' | 'certDirectories'>, details: string, options: EndpointOptions = {}): Promise<ImageSource> {
  const name = parseDaemonName(details)
  const client = openDaemonClient(options)
  const { fd } = await spoolToFile(client.saveImage(name.text), context.temporaryDirectory)
  const files = await openArchiveDescriptor(fd, `docker-daemon:${details}`, { temporaryDirectory: context.temporaryDirectory, signal: options.signal })
  try {
    const item = chooseDockerImage(await readDockerManifest(files), { path: `docker-daemon:${details}` })
    return await dockerArchiveSource({ files, item, identity: identityOf(name), close: () => files.close(), ...(options.signal === undefined ? {} : { signal: options.signal }) })
  } catch (error) {
    await files.close()
    throw error
  }
}

/** NAME:TAG. The image is sent while it is read. Throws BAD_IMAGE_NAME, DAEMON_UNREACHABLE, DAEMON_ERROR (at the commit). */
export async function openDaemonDestination(context: Pick<TransportContext, 'temporaryDirectory' | 'certDirectories'>, details: string, options: EndpointOptions = {}): Promise<ImageDestination> {
  const name = parseDaemonName(details)
  const { reference } = name
  if (reference?.tag === undefined) throw new TpodError('BAD_IMAGE_NAME', `Invalid destination docker-daemon:${details}: a destination must be a name:tag`)
  const client = openDaemonClient(options)
  await client.ping()
  const upload = client.loadImages()
  const writer = DockerArchiveWriter.toSink(upload.write, context.temporaryDirectory)
  const destination = writer.destination(identityOf(name), [reference])
  let isDone = false
  return {
    ...destination,
    commit: async (commitOptions) => {
      await destination.commit(commitOptions)
      await writer.finish()
      await upload.finish()
      isDone = true
    },
    close: async () => {
      await writer.close()
      if (!isDone) upload.abort()
    },
  }
}

function parseDaemonName(details: string): DaemonName {
  if (/^sha256:[0-9a-f]{64}$/.test(details)) return { text: details }
  const reference = parseNormalizedReference(details)
  const text = formatReference(reference)
  if (reference.path === 'library/sha256' && reference.domain === 'docker.io') throw new TpodError('BAD_IMAGE_NAME', `Invalid docker-daemon: reference ${details}: The sha256 repository name is reserved for (non-shortened) digest references`)
  if (reference.tag === undefined && reference.digest === undefined) throw new TpodError('BAD_IMAGE_NAME', `docker-daemon: reference ${details} has neither a tag nor a digest`)
  if (reference.tag !== undefined && reference.digest !== undefined) throw new TpodError('BAD_IMAGE_NAME', 'docker-daemon: references with both a tag and digest are currently not supported')
  return { text, reference }
}

function identityOf({ text, reference }: DaemonName): ImageIdentity {
  return { transport: 'docker-daemon', name: text, policyScopes: reference === undefined ? [] : dockerPolicyScopes(reference), ...(reference === undefined ? {} : { dockerReference: reference }) }
}
