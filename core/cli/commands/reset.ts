import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { Command } from 'commander'
import { type Config, UsageError } from '../../config.ts'
import { findPlace } from '../../embedded/postgres-place.ts'
import { running } from '../../embedded/run-file.ts'
import type { Terminal } from '../terminal.ts'

export function resetCommand(config: Config, terminal: Terminal): Command {
  return new Command('reset')
    .description('delete all data of this folder: events, keys, logs')
    .option('--yes', 'do not ask')
    .action(async (options) => {
      if (running(config.home))
        throw new UsageError('Sluice is running on this folder.', 'Stop it first: npx sluice stop')
      if (!options.yes && !(await agreed(`Delete everything in ${config.home}? Type "yes": `))) {
        terminal.say('Nothing was deleted.')
        return
      }
      // Under root the data may live elsewhere.
      const { dataFolder } = findPlace(`${config.home}/postgres`)
      for (const folder of [dataFolder, config.home])
        rmSync(folder, { recursive: true, force: true })
      terminal.say('Deleted. "npm start" begins anew.')
    })
}

async function agreed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new UsageError('There is nobody to ask.', 'Say --yes to delete without asking.')
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await lines.question(question)
  lines.close()
  return answer.trim() === 'yes'
}
