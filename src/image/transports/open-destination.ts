/** From a name to a destination. Each transport's module is loaded when it is named. */
import { TpodError } from '../../errors/tpod-error.ts'
import type { EndpointOptions, ImageDestination, TransportContext } from '../types.ts'
import type { ImageName } from './image-name.ts'

/** Throws BAD_IMAGE_NAME, and what reaching it throws. Nothing is visible there before its commit. The caller closes it. */
export async function openDestination(context: TransportContext, name: ImageName, options: EndpointOptions = {}): Promise<ImageDestination> {
  const { details } = name
  switch (name.transport) {
    case 'docker': return (await import('../registry/open-registry.ts')).openRegistryDestinationByName(context, details, options)
    case 'containers-storage': return (await import('./storage-destination.ts')).openStorageDestination(context, details, options)
    case 'oci': return (await import('./oci-layout-destination.ts')).openOciLayoutDestination(details, options)
    case 'oci-archive': return (await import('./oci-archive.ts')).openOciArchiveDestination(context, details, options)
    case 'dir': return (await import('./directory.ts')).openDirectoryDestination(details, options)
    case 'docker-archive': return (await import('./docker-archive-destination.ts')).openDockerArchiveDestination(context, details, options)
    case 'docker-daemon': return (await import('./docker-daemon.ts')).openDaemonDestination(context, details, options)
    case 'tarball': throw new TpodError('BAD_IMAGE_NAME', `write tarball:${details}: the tarball transport is a source only`, { remedy: 'write to docker-archive: or oci-archive:' })
  }
}
