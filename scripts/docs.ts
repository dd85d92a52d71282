/**
 * Writes docs/commands/*.md, completions/ and docs/errors.md from the definitions in the sources.
 *   node scripts/docs.ts            writes
 *   node scripts/docs.ts --check    fails when something written is not up to date
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { completionScript, completionShells } from '../src/cli/completion-scripts.ts'
import { helpParts, optionRows } from '../src/cli/help.ts'
import { globalFlags } from '../src/cli/global-flags.ts'
import { commandTable } from '../src/commands/table.ts'
import { errorCodesPage } from './error-codes.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Path below the repository to content. */
export async function generatedFiles(): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  const names = { bash: 'tpod.bash', zsh: '_tpod', fish: 'tpod.fish' }
  for (const shell of completionShells) files.set(`completions/${names[shell]}`, completionScript(shell) as string)
  const index: string[] = []
  for (const entry of commandTable.commands) {
    if (entry.hidden) continue
    const { default: Class } = await entry.load()
    const name = `tpod-${entry.path.replaceAll(' ', '-')}`
    index.push(`- [tpod ${entry.path}](${name}.md): ${entry.summary}`)
    const parts = helpParts(entry, Class)
    files.set(`docs/commands/${name}.md`, [
      `# tpod ${entry.path}`, parts.description, `    ${parts.usage}`,
      ...parts.aliases.length > 0 ? [`Also: ${parts.aliases.map((alias) => `\`tpod ${alias}\``).join(', ')}`] : [],
      ...parts.examples.length > 0 ? ['## Examples', parts.examples.map((example) => `    ${example}`).join('\n')] : [],
      ...parts.options.length > 0 ? ['## Options', table(parts.options)] : [],
    ].join('\n\n') + '\n')
  }
  files.set('docs/commands/README.md', ['# Commands', index.join('\n'), '## Options of every command', table(optionRows(globalFlags))].join('\n\n') + '\n')
  files.set('docs/errors.md', errorCodesPage(root))
  return files
}

function table(rows: readonly [string, string][]): string {
  const cell = (text: string): string => text.trim().replaceAll('|', '\\|').replaceAll('\n', ' ')
  return ['| option | meaning |', '|---|---|', ...rows.map(([label, text]) => `| \`${cell(label)}\` | ${cell(text)} |`)].join('\n')
}

function staleFiles(files: ReadonlyMap<string, string>): string[] {
  const wrong = [...files].filter(([path, content]) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== content).map(([path]) => path)
  return [...wrong, ...surplus(files)]
}

function surplus(files: ReadonlyMap<string, string>): string[] {
  const directory = join(root, 'docs/commands')
  if (!existsSync(directory)) return []
  return readdirSync(directory).map((name) => `docs/commands/${name}`).filter((path) => !files.has(path))
}

async function main(): Promise<void> {
  const files = await generatedFiles()
  if (process.argv.includes('--check')) {
    const stale = staleFiles(files)
    if (stale.length === 0) return
    console.error(`out of date (run "npm run docs"):\n${stale.map((path) => `  ${path}`).join('\n')}`)
    process.exit(1)
  }
  for (const path of surplus(files)) rmSync(join(root, path))
  for (const [path, content] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  console.log(`${files.size} files written`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
