/**
 * What a user can do about errors whose message has to stay as podman words it (scripts compare it) and which are thrown in
 * several places. An error's own remedy comes first; called as podman or docker no hint is printed at all.
 */
export const remedyByCode: Readonly<Record<string, string>> = {
  COMMAND_NOT_FOUND: "check its spelling, and that the image has it in a directory of its PATH",
  COMMAND_CANNOT_RUN: 'name an executable file of the image, made for this machine',
  CONTAINER_RUNNING: 'stop it first, or give --force',
  DUPLICATE_MOUNT: 'mount one thing in each place',
  INVALID_SIGNAL: 'give a name such as SIGTERM, or a number from 1 to 64',
  NO_SUCH_CONTAINER: 'list containers with: tpod ps --all',
  NO_SUCH_IMAGE: 'list images with: tpod images, or fetch it with: tpod pull',
  NO_SUCH_TAG: 'list its names with: tpod images',
  NO_SUCH_USER: "name a user of the image's /etc/passwd, or give a number",
  NO_SUCH_VOLUME: 'list volumes with: tpod volume ls',
  VOLUME_IN_USE: 'remove those containers first',
}
