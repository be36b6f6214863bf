import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { type Config, readConfig } from '../core/config.ts'
import { IdentityError } from '../core/identity/identity-error.ts'
import { ROOT } from '../core/lib/paths.ts'
import { UsageError } from '../core/lib/usage-error.ts'
import { readVersion } from '../core/lib/version.ts'
import { COMMANDS, type CreateCommand } from './registry/commands.ts'
import { createTerminal } from './terminal.ts'

const IDENTITY_HINT =
  '"npm run sluice -- tenant list" and "npm run sluice -- key list" show what exists.'

const config = readConfigOrExit()
// The images have no package-lock.json, and no packages to install.
const isCheckout = existsSync(join(ROOT, 'package-lock.json'))
const terminal = createTerminal(config.colour, isCheckout ? undefined : 'node cli/main.ts')

const program = new Command('sluice')
  .description('Sluice: event analytics that can prove its numbers.')
  .version(readVersion())
  .showHelpAfterError('Run "npm run sluice -- --help" for the commands.')
  .exitOverride()
for (const create of await loadCommands(process.argv[2]))
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

/** The one that is named, so that a long-lived `start` holds no other's modules; all of them for help and typos. */
function loadCommands(name: string | undefined): Promise<CreateCommand[]> {
  const load = name === undefined || !Object.hasOwn(COMMANDS, name) ? undefined : COMMANDS[name]
  return Promise.all((load ? [load] : Object.values(COMMANDS)).map((each) => each()))
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
    return 'Check with "npm run sluice -- status" whether Sluice is running; "npm start" starts it.'
  return '"npm run sluice -- doctor" checks this machine.'
}
