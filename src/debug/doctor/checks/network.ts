/** Networks: our own bridge (nft, forwarding), other firewalls on the host, and what rootless networks will use. */
import { accessSync, constants, existsSync } from 'node:fs'
import { errorCode } from '../../../errors/tpod-error.ts'
import { findProgram, probe, readSysctl, readText } from '../probe.ts'
import { fail, install, ok, warn, type Check, type DoctorContext, type Finding } from '../types.ts'

export const networkChecks: readonly Check[] = [
  { id: 'network.nft', run: checkNft },
  { id: 'network.forwarding', run: async (context) => await Promise.resolve([checkForwarding(context)]) },
  { id: 'network.firewalls', run: checkFirewalls },
  { id: 'network.rootless', run: async (context) => await Promise.resolve(checkRootless(context)) },
  { id: 'network.netavark', run: async (context) => await Promise.resolve(checkNetavark(context)) },
]

async function checkNft(context: DoctorContext): Promise<Finding[]> {
  if (context.uid !== 0) return []
  const path = findProgram(context, 'nft')
  if (path === undefined) return [fail('network.nft', 'nft is not installed: bridge networks don\'t work', install('nftables'))]
  // Checked, not loaded: everything our rules use, so that a kernel without a part of it shows now.
  const rules = `table inet tpod_doctor {
  map ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
  chain nat { type nat hook prerouting priority dstnat; fib daddr type local dnat ip to meta l4proto . th dport map @ports; }
  chain out { type nat hook postrouting priority srcnat; ct status & dnat == dnat masquerade; }
}\n`
  const result = await probe(path, ['--check', '--file', '-'], rules)
  if (result.isOk) return [ok('network.nft', 'nftables works', path)]
  return [fail('network.nft', 'nftables does not take our rules: bridge networks don\'t work', 'modprobe -a nf_tables nft_chain_nat nft_masq nft_fib_inet nft_ct\nnft 0.9.4 or later is needed, and a kernel of 5.6 or later', result.complaint.split('\n')[0])]
}

function checkForwarding(context: DoctorContext): Finding {
  if (readSysctl('net.ipv4.ip_forward') === '1') return ok('network.forwarding', 'the host forwards IPv4 packets')
  if (context.uid !== 0) return ok('network.forwarding', 'the host does not forward IPv4 packets: rootless networks don\'t need it')
  try {
    accessSync('/proc/sys/net/ipv4/ip_forward', constants.W_OK)
    return ok('network.forwarding', 'IPv4 forwarding is off; the first bridge container switches it on')
  } catch {
    return fail('network.forwarding', 'IPv4 forwarding is off and cannot be switched on from here', 'sysctl -w net.ipv4.ip_forward=1 on the host')
  }
}

async function checkFirewalls(context: DoctorContext): Promise<Finding[]> {
  if (context.uid !== 0) return []
  const findings: Finding[] = []
  if (readText('/proc/net/ip_tables_names')?.split('\n').includes('filter')) {
    const legacy = findProgram(context, 'iptables-legacy')
    const policy = legacy === undefined ? '' : (await probe(legacy, ['-w', '2', '-S', 'FORWARD'])).stdout
    if (policy.includes('-P FORWARD DROP')) {
      findings.push(warn('network.iptables-legacy', 'iptables-legacy drops forwarded packets: bridge containers don\'t reach the outside', 'iptables-legacy -I FORWARD -i tpod+ -j ACCEPT; iptables-legacy -I FORWARD -o tpod+ -j ACCEPT\nor switch to iptables-nft: update-alternatives --set iptables /usr/sbin/iptables-nft', 'tpod opens the way in nftables and iptables-nft by itself'))
    }
  }
  const nft = findProgram(context, 'nft')
  const tables = nft === undefined ? '' : (await probe(nft, ['list', 'tables'])).stdout
  if (/^table \S+ firewalld$/m.test(tables)) {
    findings.push(warn('network.firewalld', 'firewalld runs: it decides about forwarded packets, too', 'firewall-cmd --permanent --zone=trusted --add-interface=tpod0 && firewall-cmd --reload'))
  }
  if (/^table ip filter$/m.test(tables)) findings.push(ok('network.iptables', 'iptables-nft rules are present; tpod adds its own beside them where needed'))
  return findings
}

function checkRootless(context: DoctorContext): Finding[] {
  return [checkDevice(context, '/dev/net/tun', 'network.tun', 'modprobe tun; chmod 0666 /dev/net/tun'), checkUserModeNetwork(context)]
}

function checkUserModeNetwork(context: DoctorContext): Finding {
  const pasta = findProgram(context, 'pasta')
  const slirp = findProgram(context, 'slirp4netns')
  if (pasta !== undefined) return ok('network.pasta', `${pasta} is there`, slirp === undefined ? '' : `also ${slirp}`)
  if (slirp !== undefined) return ok('network.pasta', `${slirp} is there; pasta would be faster`)
  const summary = 'neither pasta nor slirp4netns is installed: rootless containers have no network of their own'
  return warn('network.pasta', summary, install('passt'))
}

/** The device must be usable by this user. */
export function checkDevice(context: DoctorContext, path: string, id: string, fix: string): Finding {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    if (context.uid !== 0 || existsSync(path)) return ok(id, `${path} can be used`)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') return warn(id, `${path} is not for this user`, fix.split('; ').at(-1) ?? fix)
  }
  return warn(id, `${path} does not exist`, fix)
}

function checkNetavark(context: DoctorContext): Finding[] {
  const netavark = findProgram(context, 'netavark')
  const aardvark = findProgram(context, 'aardvark-dns')
  const names = [netavark, aardvark].filter((path) => path !== undefined)
  if (names.length === 2) return [ok('network.netavark', 'netavark and aardvark-dns are there', names.join(', '))]
  return [ok('network.netavark', 'netavark or aardvark-dns is missing: only podman needs them', names.join(', '))]
}
