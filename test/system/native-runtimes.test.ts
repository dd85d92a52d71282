/** The addon and the terminal keep their promises on Node, on Bun and inside a compiled executable. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { after, test } from 'node:test'
import { spawn } from 'node-pty'

const root = new URL('../..', import.meta.url).pathname
const bun = `${root}node_modules/@oven/bun-linux-${process.arch}/bin/bun`
const skip = process.getuid?.() !== 0 && 'needs root'
const directory = mkdtempSync('/var/tmp/tpod-runtimes-')
after(() => rmSync(directory, { recursive: true, force: true }))

function compile(fixture: string): string {
  const outfile = `${directory}/${fixture}`
  const args = ['build', '--compile', '--bytecode', '--format=cjs', '--target=bun', `${root}test/fixtures/${fixture}.ts`, '--outfile', outfile]
  execFileSync(bun, args, { cwd: directory, stdio: 'pipe' })
  return outfile
}

/** [runtime, the command line that runs a fixture] */
const runtimes: [string, (fixture: string) => string[]][] = [['Node', (fixture) => [process.execPath, `${root}test/fixtures/${fixture}.ts`]]]
if (existsSync(bun)) {
  runtimes.push(['Bun', (fixture) => [bun, `${root}test/fixtures/${fixture}.ts`]], ['a compiled executable', (fixture) => [compile(fixture)]])
}

const expected = {
  locks: { refused: true, holderPid: true, waitedEarly: false, waited: true, excluded: true, free: true },
  chroot: { worker: { text: 'confined', escapes: false }, mainSeesRoot: true },
  extraDescriptors: 'from the child\n',
  seqpacket: ['one', 'two:hello'],
  volume: 64 << 20,
  callsAfterStop: 0,
  pidfd: { early: false, late: true },
  brokenPipe: 'EPIPE',
}

for (const [runtime, commandLine] of runtimes) {
  test(`locks, confinement, descriptors and sockets on ${runtime}`, { skip }, () => {
    const [file, ...args] = commandLine('native-probe') as [string, ...string[]]
    const work = `${directory}/${runtime.replaceAll(' ', '-')}`
    mkdirSync(work)
    const output = execFileSync(file, [...args, work], { encoding: 'utf8', cwd: directory, timeout: 60_000 })
    assert.deepEqual(JSON.parse(output), expected)
  })

  test(`raw mode is undone however a program on ${runtime} ends`, { skip }, async () => {
    const command = commandLine('raw-mode-probe').join(' ')
    for (const ending of ['restore', 'throw', 'exit', 'signal', 'none']) {
      const output = await inTerminal(`${command} ${ending} 2>/dev/null; stty -a`)
      assert.match(output, /raw=true size=33x101/, ending)
      assert.match(output, /\sisig icanon .*\secho /s, `${ending}: ${output}`)
    }
    assert.match(await inTerminal(`${command} proxied; stty -a`), /proxied raw=true[^]*\sicanon /)
    assert.match(await inTerminal(`${command} resize`, 'raw=true'), /resized=40x120/)
  })
}

/** Output of a shell command in a terminal of 33 x 101; the window changes to 40 x 120 when `resizeAt` appears. */
function inTerminal(command: string, resizeAt?: string): Promise<string> {
  return new Promise((resolve) => {
    const terminal = spawn('sh', ['-c', command], { rows: 33, cols: 101, cwd: directory })
    let output = ''
    terminal.onData((chunk) => {
      const before = output
      output += chunk
      // The handler is installed right after that line.
      if (resizeAt !== undefined && !before.includes(resizeAt) && output.includes(resizeAt)) setTimeout(() => terminal.resize(120, 40), 200)
    })
    terminal.onExit(() => resolve(output))
  })
}
