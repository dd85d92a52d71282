import { arg, bool, text } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { programName } from '../../cli/program-name.ts'
import { TransportCommand } from '../../cli/transport-command.ts'
import { logout, logoutAll, type LoginAccess } from '../../libpod/images/login.ts'

export default class Logout extends TransportCommand {
  static override summary = 'Log out of a container registry'
  static override description = 'Removes the stored user name and password of a registry. Without a registry the first of the unqualified search registries is meant.'
  static override usage = '[options] [REGISTRY]'
  static override examples = ['tpod logout quay.io', 'tpod logout --authfile dir/auth.json quay.io', 'tpod logout --all']
  static override args = { registry: arg('registry', 'HOST[:PORT], or HOST[:PORT]/NAMESPACE') }
  static override flags = {
    all: bool('Remove the cached credentials for all registries in the auth file', { char: 'a' }),
    authfile: text('path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override', { complete: 'files' }),
    'compat-auth-file': text('path of a Docker-compatible config file to update instead', { complete: 'files' }),
    'tls-verify': bool('Require HTTPS and verify certificates when accessing the registry'),
  }

  async run(): Promise<void> {
    const { args: { registry }, flags } = await this.parse(Logout)
    const context = this.transportContext({ ...this.globals, ...flags })
    const access: LoginAccess = {
      context, env: this.context.env, authFile: flags.authfile, compatAuthFile: flags['compat-auth-file'],
      acceptUnspecified: programName(this.context.env) !== 'skopeo',
      endpoint: this.endpoint(context, { 'tls-verify': flags['tls-verify'] }, ''),
    }
    if (flags.all) {
      if (registry !== undefined) throw this.usageError('--all takes no arguments')
      await logoutAll(access)
      return printLine('Removed login credentials for all registries')
    }
    const { kind, key } = await logout(registry, access)
    printLine(kind === 'removed' ? `Removed login credentials for ${key}` : `Not logged into ${key} with current tool. Existing credentials were established via docker login. Please use docker logout instead.`)
  }
}
