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

export function resetCommand(config: Config, terminal: Terminal): Command {
  return new Command('reset')
    .description('delete all data of this folder: events, keys, logs')
    .option('--yes', 'do not ask')
    .action(async (options) => {
      if (findRunning(config.home))
        throw new UsageError('Sluice is running on this folder.', 'Stop it first: npx sluice stop')
      if (
        !options.yes &&
        !(await agreed(`Delete all events, keys and logs in ${config.home}? Type "yes": `))
      ) {
        terminal.say('Nothing was deleted.')
        return
      }
      await deleteHome(config.home)
      terminal.say('Deleted. "npm start" begins anew.')
    })
}

/** What a start makes; whatever else somebody keeps in the folder stays. */
const OURS =
  /^(postgres|(run|secrets)\.json|demo|lock|edge\.js|workerd\.capnp|(sluice|edge)\.log)(\.|$)/

async function deleteHome(home: string): Promise<void> {
  if (!existsSync(home)) return
  const postgres = join(home, 'postgres')
  if (existsSync(postgres)) {
    await stopPostgresOf(findDataDirectory(postgres).dataFolder)
    // Under root the data may lie elsewhere.
    removeDataDirectory(postgres)
  }
  for (const name of readdirSync(home))
    if (OURS.test(name)) rmSync(join(home, name), { recursive: true, force: true })
  if (readdirSync(home).length === 0) rmdirSync(home)
}

async function agreed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new UsageError('There is nobody to ask.', 'Say --yes to delete without asking.')
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await lines.question(question)
  lines.close()
  return answer.trim() === 'yes'
}
