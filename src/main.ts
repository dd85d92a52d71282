import { runCli } from './cli/run-cli.ts'
import { commandTable } from './commands/table.ts'

void runCli(process.argv.slice(2), commandTable, process.env).then((status) => process.exit(status))
