/** From a name to a source. Each transport's module is loaded when it is named. */
import type { EndpointOptions, ImageSource, TransportContext } from '../types.ts'
import type { ImageName } from './image-name.ts'

/** Throws BAD_IMAGE_NAME, and what reaching it throws. The caller closes it. */
export async function openSource(context: TransportContext, name: ImageName, options: EndpointOptions = {}): Promise<ImageSource> {
  const { details } = name
  switch (name.transport) {
    case 'docker': return (await import('../registry/open-registry.ts')).openRegistrySourceByName(context, details, options)
    case 'containers-storage': return (await import('./storage-source.ts')).openStorageSource(context, details, options)
    case 'oci': return (await import('./oci-layout-source.ts')).openOciLayoutSource(details, options)
    case 'oci-archive': return (await import('./oci-archive.ts')).openOciArchiveSource(context, details, options)
    case 'dir': return (await import('./directory.ts')).openDirectorySource(details)
    case 'docker-archive': return (await import('./docker-archive-source.ts')).openDockerArchiveSource(context, details, options)
    case 'docker-daemon': return (await import('./docker-daemon.ts')).openDaemonSource(context, details, options)
    case 'tarball': return (await import('./tarball-source.ts')).openTarballSource(context, details, options)
  }
}
