import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { migrate } from '../../core/db/migrate.ts'
import { createTopics } from '../../core/log/open.ts'
import { requireRunningInstance } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'

export function migrateCommand(config: Config, terminal: Terminal): Command {
  return new Command('migrate')
    .description('bring the database of DATABASE_URL, or of what runs here, up to date, and Kafka')
    .action(async () => {
      const url = config.databaseUrl ?? requireRunningInstance(config).database_url
      const done = await migrate(url, ({ name }) => terminal.say(`  ${name}`))
      const topics = config.databaseUrl ? await createTopics(config.log) : []
      for (const topic of topics) terminal.say(`  Kafka topic ${topic}`)
      terminal.say(
        done.length === 0
          ? 'Nothing to do: the database is up to date.'
          : `Applied ${done.length}.`,
      )
    })
}
