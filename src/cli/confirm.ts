import { readSync } from 'node:fs'
import { writeOut } from './output.ts'

/** Asks on standard output and reads one line of standard input; anything but y or yes means no. */
export function confirm(question: string): boolean {
  writeOut(`${question}\nAre you sure you want to continue? [y/N] `)
  const answer = readLine()
  if (!answer.endsWith('\n')) writeOut('\n')
  return ['y', 'yes'].includes(answer.trim().toLowerCase())
}

/** Byte by byte: what follows the line stays for others. */
function readLine(): string {
  const byte = Buffer.alloc(1)
  let line = ''
  while (!line.endsWith('\n')) {
    try {
      if (readSync(0, byte) === 0) break
    } catch {
      break // No standard input is no consent.
    }
    line += byte.toString('latin1')
  }
  return line
}
