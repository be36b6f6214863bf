import { Command, CommanderError } from 'commander'
import { readConfig } from '../core/config.ts'
import { IdentityError } from '../core/identity/identity-error.ts'
import { demoCommand } from './commands/demo.ts'
import { doctorCommand } from './commands/doctor.ts'
import { enginesCommand } from './commands/engines.ts'
import { keyCommand } from './commands/key.ts'
import { lagCommand } from './commands/lag.ts'
import { loginCommand } from './commands/login.ts'
import { migrateCommand } from './commands/migrate.ts'
import { gapCommand } from './commands/offsets.ts'
import { replayCommand } from './commands/replay.ts'
import { resetCommand } from './commands/reset.ts'
import { sendCommand } from './commands/send.ts'
import { startCommand } from './commands/start.ts'
import { statusCommand } from './commands/status.ts'
import { stopCommand } from './commands/stop.ts'
import { tenantCommand } from './commands/tenant.ts'
import { topicsCommand } from './commands/topics.ts'
import { createTerminal } from './terminal.ts'

const KEY_ADVICE = '"npx sluice tenant list" and "npx sluice key list" show what there is.'

const config = readConfig()
const terminal = createTerminal(config.colour)

const program = new Command('sluice')
  .description('Event analytics that can prove its numbers.')
  .version('0.1.0')
  .showHelpAfterError('Run "npx sluice --help" for the commands.')
  .exitOverride()
for (const make of [
  startCommand,
  statusCommand,
  stopCommand,
  loginCommand,
  sendCommand,
  keyCommand,
  tenantCommand,
  lagCommand,
  gapCommand,
  replayCommand,
  demoCommand,
  enginesCommand,
  migrateCommand,
  topicsCommand,
  doctorCommand,
  resetCommand,
])
  program.addCommand(make(config, terminal))

try {
  await program.parseAsync()
} catch (error) {
  // Help and version are no failures; commander has said what else was wrong.
  if (error instanceof CommanderError) process.exitCode = error.exitCode
  else {
    const { message, hint, code } = error as { message: string; hint?: string; code?: string }
    const advice = hint ?? (error instanceof IdentityError ? KEY_ADVICE : adviceFor(code))
    terminal.fail(message || String(error), advice)
    process.exitCode = (error as { exitCode?: number }).exitCode ?? 1
  }
}

function adviceFor(code: string | undefined): string {
  if (code === 'ECONNREFUSED')
    return 'Is Sluice running? "npx sluice status" tells; "npm start" starts it.'
  return '"npx sluice doctor" looks for what is missing.'
}
