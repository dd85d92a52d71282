import { programName } from './cli/program-name.ts'
import { runCli } from './cli/run-cli.ts'
import { endProcess } from './cli/signals.ts'
import { skopeoTable } from './commands/skopeo/table.ts'
import { commandTable } from './commands/table.ts'

const table = programName(process.env) === 'skopeo' ? skopeoTable : commandTable
void runCli(process.argv.slice(2), table, process.env).then(endProcess)
