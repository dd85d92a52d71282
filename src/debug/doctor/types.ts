/** What doctor finds, as data; the command renders it. */

export interface Finding {
  /** Stable: `runtime.crun`, `storage.space`, … */
  id: string
  /** fail: containers don't work because of it. warn: something users meet will not work, or not well. */
  status: 'ok' | 'warn' | 'fail'
  /** One line. */
  summary: string
  /** What was looked at; '' where the summary says it all. */
  detail: string
  /** Commands or settings that cure it, one per line; '' when ok. */
  fix: string
}

export interface DoctorContext {
  uid: number
  gid: number
  userName: string
  home: string
  graphRoot: string
  runRoot: string
  /** Directories to look for programs in; the system's are added. */
  path: readonly string[]
  conmonPaths: readonly string[]
  /** By name (crun, runc). */
  runtimePaths: Readonly<Record<string, readonly string[]>>
  /** '' for the built-in search. */
  initPath: string
  seccompProfile: string
  /** Loopback-only hosts, tests: directories to take /etc and /usr/share from. Default '/'. */
  systemRoot?: string
}

/** A check never throws for what it finds; an exception is reported as a warning of that check. */
export interface Check {
  id: string
  run(context: DoctorContext): Promise<readonly Finding[]>
}

export function ok(id: string, summary: string, detail = ''): Finding {
  return { id, status: 'ok', summary, detail, fix: '' }
}

export function warn(id: string, summary: string, fix: string, detail = ''): Finding {
  return { id, status: 'warn', summary, detail, fix }
}

export function fail(id: string, summary: string, fix: string, detail = ''): Finding {
  return { id, status: 'fail', summary, detail, fix }
}

/** The command for both families of distributions. */
export function install(debian: string, fedora = debian): string {
  return `apt install ${debian}  (Debian, Ubuntu)\ndnf install ${fedora}  (Fedora)`
}
