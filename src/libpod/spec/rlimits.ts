import { TpodError } from '../../errors/tpod-error.ts'
import type { SecurityFacts } from '../../host/security/security-facts.ts'
import type { RlimitSpec } from '../../oci/runtime-types.ts'
import type { Ulimit } from '../types.ts'
import { parseUlimitFlag } from './parse/device-flags.ts'

/** What podman raises when nobody said anything. */
const raised: readonly RlimitSpec[] = [
  { type: 'RLIMIT_NOFILE', soft: 1048576, hard: 1048576 },
  { type: 'RLIMIT_NPROC', soft: 4194304, hard: 4194304 },
]
/** RLIM_INFINITY is 2^64-1, which JSON numbers of JavaScript cannot hold: `encodeSpec` writes this value so. */
export const unlimited = Number.POSITIVE_INFINITY

/**
 * The container's rlimits: --ulimit over containers.conf's defaults over podman's raised ones; none with `--ulimit host`.
 * Defaults are clamped to what this process may set (without CAP_SYS_RESOURCE its own hard limit). An explicit one above it
 * throws ULIMIT_TOO_HIGH, as the runtime would fail obscurely.
 */
export function resolveRlimits(asked: readonly Ulimit[], defaults: readonly string[], isHost: boolean, facts: SecurityFacts): RlimitSpec[] {
  const limits = new Map<string, RlimitSpec>()
  if (!isHost) {
    for (const limit of raised) limits.set(limit.type, clamp(limit, facts))
    for (const text of defaults) {
      const limit = toSpec(parseUlimitFlag(text, 'default_ulimits'))
      limits.set(limit.type, clamp(limit, facts))
    }
  }
  for (const ulimit of asked) {
    const limit = toSpec(ulimit)
    const most = hardLimit(limit.type, facts)
    if (limit.hard > most) {
      throw new TpodError('ULIMIT_TOO_HIGH', `set --ulimit ${ulimit.name}=${ulimit.soft}:${ulimit.hard}: this host allows at most ${most}`, {
        remedy: 'ask for less, or raise the hard limit (CAP_SYS_RESOURCE is missing)',
      })
    }
    limits.set(limit.type, limit)
  }
  return [...limits.values()]
}

function toSpec(ulimit: Ulimit): RlimitSpec {
  return { type: `RLIMIT_${ulimit.name.toUpperCase()}`, soft: ulimit.soft === -1 ? unlimited : ulimit.soft, hard: ulimit.hard === -1 ? unlimited : ulimit.hard }
}

function clamp(limit: RlimitSpec, facts: SecurityFacts): RlimitSpec {
  const most = hardLimit(limit.type, facts)
  return { type: limit.type, soft: Math.min(limit.soft, most), hard: Math.min(limit.hard, most) }
}

function hardLimit(type: string, facts: SecurityFacts): number {
  return facts.mayRaiseLimits ? unlimited : (facts.limits.get(type)?.hard ?? unlimited)
}
