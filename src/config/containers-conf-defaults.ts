/** What containers.conf means where it says nothing: podman's built-in values. `''` and `[]` stand for "not set". */

export function builtInEngineConfig() {
  return {
    containers: {
      annotations: [] as string[],
      /** '' lets the host decide: the loaded default profile, if there is one. */
      apparmorProfile: '',
      /** '' copies /etc/hosts; 'none' starts empty; 'image' takes the image's. */
      baseHostsFile: '',
      /** '' means private on cgroup v2 and host on v1. */
      cgroupns: '',
      cgroups: 'enabled',
      defaultCapabilities: [
        'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'NET_BIND_SERVICE', 'SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT',
      ],
      /** `name=value` */
      defaultSysctls: [] as string[],
      /** `name=soft:hard` */
      defaultUlimits: [] as string[],
      devices: [] as string[],
      dnsOptions: [] as string[],
      dnsSearches: [] as string[],
      dnsServers: [] as string[],
      /** `name=value` */
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      envHost: false,
      hostContainersInternalIp: '',
      httpProxy: true,
      init: false,
      initPath: '',
      ipcns: 'shareable',
      label: true,
      logDriver: 'k8s-file',
      /** Bytes; negative: no limit. */
      logSizeMax: -1,
      logTag: '',
      netns: 'private',
      noHosts: false,
      pidns: 'private',
      pidsLimit: 2048,
      readOnly: false,
      /** '' takes /etc/containers/seccomp.json, else /usr/share/containers/seccomp.json. */
      seccompProfile: '',
      shmSize: '65536k',
      tz: '',
      umask: '0022',
      userns: '',
      utsns: 'private',
      volumes: [] as string[],
    },
    network: {
      defaultNetwork: 'podman',
      defaultSubnet: '10.88.0.0/16',
      dnsBindPort: 0,
      firewallDriver: '',
      networkBackend: '',
      networkConfigDir: '',
    },
    engine: {
      /** '' lets the host decide: systemd where it is PID 1 and reachable, else cgroupfs. */
      cgroupManager: '',
      conmonEnvVars: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      conmonPath: [
        '/usr/libexec/podman/conmon', '/usr/local/libexec/podman/conmon', '/usr/local/lib/podman/conmon', '/usr/bin/conmon',
        '/usr/sbin/conmon', '/usr/local/bin/conmon', '/usr/local/sbin/conmon', '/run/current-system/sw/bin/conmon',
      ],
      detachKeys: 'ctrl-p,ctrl-q',
      env: [] as string[],
      eventsLogger: 'file',
      exitCommandDelay: 300,
      helperBinariesDir: ['/usr/local/libexec/podman', '/usr/local/lib/podman', '/usr/libexec/podman', '/usr/lib/podman'],
      hooksDir: ['/usr/share/containers/oci/hooks.d'],
      imageDefaultTransport: 'docker://',
      imageVolumeMode: '',
      noPivotRoot: false,
      pullPolicy: 'missing',
      /** '' takes crun, then runc. */
      runtime: '',
      runtimeSupportsNocgroups: ['crun', 'krun'],
      staticDir: '',
      stopTimeout: 10,
      tmpDir: '',
      volumePath: '',
      runtimes: builtInRuntimes(),
      /** Hosts by name, for image scp. */
      serviceDestinations: {} as Record<string, { uri: string; identity?: string }>,
    },
    /** Files that were read, in order. */
    sources: [] as string[],
  }
}

/** `num_locks` and `lock_type` are not here: tpod's locks are files, one per object, so there is no table to size. */
export type EngineConfig = ReturnType<typeof builtInEngineConfig>

function builtInRuntimes(): Record<string, string[]> {
  const directories = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin', '/sbin', '/bin', '/run/current-system/sw/bin']
  return Object.fromEntries(['crun', 'runc', 'youki'].map((name) => [name, directories.map((directory) => `${directory}/${name}`)]))
}
