import { BaseCommand } from '../../cli/base-command.ts'
import { arg, csv, text, textOr } from '../../cli/options.ts'
import type { TrustType } from '../../config/policy-edit.ts'
import { TpodError } from '../../errors/tpod-error.ts'

const types: readonly string[] = ['accept', 'insecureAcceptAnything', 'reject', 'signedBy', 'sigstoreSigned'] satisfies TrustType[]

export default class TrustSet extends BaseCommand {
  static override summary = 'Set default trust policy or a new trust policy for a registry'
  static override description = 'Set default trust policy or add a new trust policy for a registry.\n\nREGISTRY is `default`, or a host, namespace, repository or image; all other rules of the file stay as they are.'
  static override usage = '[options] REGISTRY'
  static override examples = ['tpod image trust set --type reject default', 'tpod image trust set --type signedBy --pubkeysfile /etc/pki/containers/key.asc registry.example.com']
  static override args = { registry: arg('registry', 'default, or what the rule is for', { required: true, complete: 'none' }) }
  static override flags = {
    policypath: text('Path of the policy file', { hidden: true, complete: 'files' }),
    pubkeysfile: csv('Path of installed public key(s) to trust for TARGET.\nAbsolute path to keys is added to policy.json. May\nused multiple times to define multiple public keys.\nFile(s) must exist before using this command', { char: 'f', complete: 'files' }),
    type: textOr('signedBy', 'Trust type, accept values: signedBy(default), accept, reject, sigstoreSigned', { char: 't', complete: ['signedBy', 'sigstoreSigned', 'accept', 'reject'] }),
  }

  async run(): Promise<void> {
    const { args: { registry }, flags } = await this.parse(TrustSet)
    const scope = registry as string
    if (!scopePattern.test(scope)) throw new TpodError('BAD_REFERENCE', `invalid image uri: ${scope}`)
    if (!types.includes(flags.type)) throw new TpodError('BAD_FLAG', `invalid choice: ${flags.type} (choose from 'accept', 'reject', 'signedBy', 'sigstoreSigned')`)
    const { setTrust } = await import('../../libpod/images/trust.ts')
    await setTrust(this.context.env, { scope, type: flags.type as TrustType, keyFiles: flags.pubkeysfile }, flags.policypath ? { policyPath: flags.policypath } : {})
  }
}

/** `default`, HOST[:PORT][/PATH…][:TAG][@DIGEST] or *.DOMAIN: a rule for anything else would never be asked, and protect nobody. */
const scopePattern = /^(?:(?:\*\.)?[\w.-]+|\[[0-9a-f:]+\])(?::\d+)?(?:\/[a-z0-9._-]+)*(?:(?<=\/[^/]*):\w[\w.-]*)?(?:@sha256:[0-9a-f]{64})?$/
