import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { findRunning } from '../../local/run-file.ts'
import { findDataDirectory, removeDataDirectory } from '../../tools/postgres/data-directory.ts'
import { stopPostgresOf } from '../../tools/postgres/postgres-server.ts'
import type { Terminal } from '../terminal.ts'

export function createResetCommand(config: Config, terminal: Terminal): Command {
  return new Command('reset')
    .description('Delete all data of this folder: events, keys and logs')
    .option('--yes', 'do not ask for confirmation')
    .action(async (options) => {
      if (findRunning(config.home))
        throw new UsageError(
          'Sluice is running on this folder.',
          'Stop it first: npm run sluice -- stop',
        )
      const prompt = `Delete all events, keys and logs in ${config.home}? Type "yes": `
      if (!options.yes && !(await confirm(prompt))) return terminal.print('Nothing was deleted.')
      await deleteHome(config.home)
      terminal.print('Deleted. "npm start" starts with an empty database.')
    })
}

/** What a start creates; other files in the folder stay. */
const CREATED_BY_START =
  /^(postgres|(run|secrets)\.json|demo|lock|edge\.js|workerd\.capnp|(core|collector)\.pid|(sluice|core|edge)\.log)(\.|$)/

async function deleteHome(home: string): Promise<void> {
  if (!existsSync(home)) return
  const postgres = join(home, 'postgres')
  if (existsSync(postgres)) {
    await stopPostgresOf(findDataDirectory(postgres).dataFolder)
    // As root, the data may be outside of the home.
    removeDataDirectory(postgres)
  }
  for (const name of readdirSync(home))
    if (CREATED_BY_START.test(name)) rmSync(join(home, name), { recursive: true, force: true })
  if (readdirSync(home).length === 0) rmdirSync(home)
}

async function confirm(prompt: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new UsageError(
      'Deleting needs a confirmation, and standard input is not a terminal.',
      'Add --yes to delete without confirmation.',
    )
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  const reply = await lines.question(prompt)
  lines.close()
  return reply.trim() === 'yes'
}
