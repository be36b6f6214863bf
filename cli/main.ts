import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { type Config, readConfig } from '../core/config.ts'
import { IdentityError } from '../core/identity/identity-error.ts'
import { ROOT } from '../core/lib/paths.ts'
import { UsageError } from '../core/lib/usage-error.ts'
import { createDeadLettersCommand } from './commands/dead-letters.ts'
import { createDemoCommand } from './commands/demo.ts'
import { createDoctorCommand } from './commands/doctor.ts'
import { createEnginesCommand } from './commands/engines.ts'
import { createKeyCommand } from './commands/key.ts'
import { createLagCommand } from './commands/lag.ts'
import { createLoginCommand } from './commands/login.ts'
import { createMigrateCommand } from './commands/migrate.ts'
import { createOffsetsCommand } from './commands/offsets.ts'
import { createQueryCommand } from './commands/query.ts'
import { createReplayCommand } from './commands/replay.ts'
import { createResetCommand } from './commands/reset.ts'
import { createSendCommand } from './commands/send.ts'
import { createStartCommand } from './commands/start.ts'
import { createStatusCommand } from './commands/status.ts'
import { createStopCommand } from './commands/stop.ts'
import { createTenantCommand } from './commands/tenant.ts'
import { createTopicsCommand } from './commands/topics.ts'
import { createTerminal } from './terminal.ts'

const IDENTITY_HINT = '"npx sluice tenant list" and "npx sluice key list" show what exists.'

const config = readConfigOrExit()
const terminal = createTerminal(config.colour)

const program = new Command('sluice')
  .description('Sluice: event analytics that can prove its numbers.')
  .version(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version)
  .showHelpAfterError('Run "npx sluice --help" for the commands.')
  .exitOverride()
for (const create of [
  createStartCommand,
  createStatusCommand,
  createStopCommand,
  createLoginCommand,
  createSendCommand,
  createQueryCommand,
  createKeyCommand,
  createTenantCommand,
  createLagCommand,
  createOffsetsCommand,
  createReplayCommand,
  createDeadLettersCommand,
  createDemoCommand,
  createEnginesCommand,
  createMigrateCommand,
  createTopicsCommand,
  createDoctorCommand,
  createResetCommand,
])
  program.addCommand(create(config, terminal))

try {
  await program.parseAsync()
} catch (error) {
  // Commander has printed the message already, or help or the version.
  if (error instanceof CommanderError) process.exitCode = error.exitCode
  else {
    const { message, hint, code } = error as { message: string; hint?: string; code?: string }
    const fix = hint ?? (error instanceof IdentityError ? IDENTITY_HINT : hintFor(code))
    terminal.printError(message || String(error), fix)
    process.exitCode = (error as { exitCode?: number }).exitCode ?? 1
  }
}

function readConfigOrExit(): Config {
  try {
    return readConfig()
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    createTerminal(false).printError(error.message, error.hint)
    process.exit(1)
  }
}

function hintFor(code: string | undefined): string {
  if (code === 'ECONNREFUSED')
    return 'Check with "npx sluice status" whether Sluice is running; "npm start" starts it.'
  return '"npx sluice doctor" checks this machine.'
}
