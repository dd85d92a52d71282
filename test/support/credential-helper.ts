/** A credential helper as docker's protocol wants it, in sh: it keeps secrets in files and writes down how it was called. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export class HelperFixture {
  readonly directory: string

  /** Installs `docker-credential-NAME` into `directory/bin`. `pauseSeconds`: how long each call takes. */
  constructor(directory: string, name: string, pauseSeconds = 0) {
    this.directory = directory
    mkdirSync(join(directory, 'bin'), { recursive: true })
    mkdirSync(join(directory, 'kept'), { recursive: true })
    const path = join(directory, 'bin', `docker-credential-${name}`)
    writeFileSync(path, `#!/bin/sh
echo "$1" >> ${directory}/calls
input=$(cat)
sleep ${pauseSeconds}
field() { printf %s "$input" | sed -n "s/.*\\"$1\\":\\"\\([^\\"]*\\)\\".*/\\1/p"; }
file() { printf '${directory}/kept/%s' "$(printf %s "$1" | tr -c 'A-Za-z0-9.\\n' _)"; }
case $1 in
store) printf %s "$input" > "$(file "$(field ServerURL)")" ;;
get) f=$(file "$input"); if [ -e "$f" ]; then cat "$f"; else echo "credentials not found in native keychain"; exit 1; fi ;;
erase) f=$(file "$input"); if [ -e "$f" ]; then rm "$f"; else echo "credentials not found in native keychain"; exit 1; fi ;;
list) sep=; printf '{'; for f in ${directory}/kept/*; do [ -e "$f" ] || continue; input=$(cat "$f"); printf '%s"%s":"%s"' "$sep" "$(field ServerURL)" "$(field Username)"; sep=,; done; printf '}\\n' ;;
esac
`)
    chmodSync(path, 0o755)
  }

  get path(): string {
    return join(this.directory, 'bin')
  }

  /** Verbs, in order. */
  calls(): string[] {
    const path = join(this.directory, 'calls')
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []
  }
}
