import { askLine, askPassword, passwordFromInput } from '../../cli/ask.ts'
import { arg, bool, text } from '../../cli/options.ts'
import { printLine, printWarning } from '../../cli/output.ts'
import { programName } from '../../cli/program-name.ts'
import { TransportCommand } from '../../cli/transport-command.ts'
import { loggedInUser, login, type LoginOptions } from '../../libpod/images/login.ts'

export default class Login extends TransportCommand {
  static override summary = 'Log in to a container registry'
  static override description = 'Checks a user name and a password with a registry, and stores them for pulls and pushes. Without a registry the first of the unqualified search registries is meant.'
  static override usage = '[options] [REGISTRY]'
  static override examples = ['tpod login quay.io', 'tpod login --username USER --password-stdin quay.io < password.txt', 'tpod login --authfile dir/auth.json quay.io']
  static override args = { registry: arg('registry', 'HOST[:PORT], or HOST[:PORT]/NAMESPACE') }
  static override flags = {
    authfile: text('path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override', { complete: 'files' }),
    'cert-dir': text('use certificates at the specified path to access the registry', { complete: 'directories' }),
    'compat-auth-file': text('path of a Docker-compatible config file to update instead', { complete: 'files' }),
    'get-login': bool('Return the current login user for the registry'),
    password: text('Password for registry (others can see it in the process list: prefer --password-stdin)', { char: 'p' }),
    'password-stdin': bool('Take the password from stdin'),
    'tls-verify': bool('Require HTTPS and verify certificates when contacting registries'),
    username: text('Username for registry', { char: 'u' }),
    verbose: bool('Write more detailed information to stdout', { char: 'v' }),
  }

  async run(): Promise<void> {
    const { args: { registry }, flags } = await this.parse(Login)
    const isSkopeo = programName(this.context.env) === 'skopeo'
    const context = this.transportContext({ ...this.globals, ...flags })
    const access: LoginOptions = {
      context, env: this.context.env, authFile: flags.authfile, compatAuthFile: flags['compat-auth-file'], acceptUnspecified: !isSkopeo,
      endpoint: this.endpoint(context, { 'cert-dir': flags['cert-dir'], 'tls-verify': flags['tls-verify'] }, ''),
    }
    // As podman: the flag counts, whatever its value.
    if (this.given.has('get-login')) return printLine(await loggedInUser(registry, access))
    if (flags['password-stdin'] && flags.password) throw this.usageError("Can't specify both --password-stdin and --password")
    if (flags['password-stdin'] && !flags.username) throw this.usageError('Must provide --username with --password-stdin')
    if (flags.password && ['tpod', 'docker'].includes(programName(this.context.env))) printWarning('WARNING! Using --password via the CLI is insecure. Use --password-stdin.')
    const result = await login(registry, {
      ...access, username: flags.username, password: flags['password-stdin'] ? passwordFromInput() : flags.password,
      askUsername: async (stored) => askLine(stored === '' ? 'Username: ' : `Username (${stored}): `),
      askPassword: () => askPassword('Password: ', this.signal),
      onEvent: (event) => printLine(event.type === 'trying-existing' ? `Authenticating with existing credentials for ${event.key}` : 'Existing credentials are invalid, please enter valid username and password'),
    })
    if (result.kind === 'already') return printLine(`Existing credentials are valid. Already logged in to ${result.registry}`)
    if (flags.verbose) printLine(`Used:  ${result.storedIn}`)
    printLine('Login Succeeded!')
  }
}
