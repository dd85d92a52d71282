/** Drives a command in a pseudo-terminal, as a user at a keyboard would. */
import { spawn } from 'node-pty'
import { type TestHost, tpodPath } from './host.ts'

export class Terminal {
  output = ''
  private readonly pty
  private exit: { exitCode: number; signal?: number | undefined } | undefined

  constructor(host: TestHost, args: readonly string[]) {
    this.pty = spawn(tpodPath, [...host.storeFlags(), ...args], { cols: 80, rows: 24, env: host.env, cwd: host.directory })
    this.pty.onData((data) => (this.output += data))
    this.pty.onExit((exit) => (this.exit = exit))
  }

  type(text: string): void {
    this.pty.write(text)
  }

  resize(columns: number, rows: number): void {
    this.pty.resize(columns, rows)
  }

  /** Waits until the output since `mark` matches; returns the match. */
  async expect(pattern: RegExp, timeoutMs = 20_000): Promise<RegExpExecArray> {
    const end = Date.now() + timeoutMs
    for (;;) {
      const match = pattern.exec(this.output)
      if (match !== null) {
        this.output = this.output.slice(match.index + match[0].length)
        return match
      }
      if (Date.now() > end || this.exit !== undefined) {
        throw new Error(`the terminal never showed ${pattern}${this.exit === undefined ? '' : ` (ended with ${this.exit.exitCode})`}; it showed:\n${this.output}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Exit status of the command. */
  async wait(timeoutMs = 20_000): Promise<number> {
    const end = Date.now() + timeoutMs
    while (this.exit === undefined) {
      if (Date.now() > end) {
        this.pty.kill('SIGKILL')
        throw new Error(`the command did not end; the terminal shows:\n${this.output}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return this.exit.exitCode
  }
}
