/** Flags of commands that join a container's terminal. */
import { bool, text } from '../options.ts'

export const detachKeysFlag = {
  'detach-keys': text('Override the key sequence for detaching a container. Format is a single character [a-Z] or a comma separated sequence of `ctrl-<value>`, where `<value>` is one of: `a-z`, `@`, `^`, `[`, `\\`, `]`, `^` or `_` (default "ctrl-p,ctrl-q")', { value: '[a-Z]' }),
}

export const sigProxyFlag = { 'sig-proxy': bool('Proxy received signals to the process', { default: true }) }
