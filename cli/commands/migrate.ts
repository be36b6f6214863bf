import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { migrate } from '../../core/db/migrate.ts'
import { createTopics } from '../../core/log/open.ts'
import { ensureOwnerOf } from '../../tools/postgres/owner.ts'
import { requireRunningInstance } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'

export function createMigrateCommand(config: Config, terminal: Terminal): Command {
  return new Command('migrate')
    .description(
      'Apply missing migrations to the database of DATABASE_URL or of the running instance, and create Kafka topics',
    )
    .action(async () => {
      const url = config.databaseUrl ?? requireRunningInstance(config).database_url
      if (config.databaseAdminUrl) await ensureOwnerOf(config.databaseAdminUrl, url)
      const applied = await migrate(url, ({ name }) => terminal.print(`  ${name}`))
      const topics = config.databaseUrl ? await createTopics(config.log) : []
      for (const topic of topics) terminal.print(`  Kafka topic ${topic}`)
      terminal.print(
        applied.length === 0
          ? 'The database is up to date.'
          : `Applied ${applied.length} ${applied.length === 1 ? 'migration' : 'migrations'}.`,
      )
    })
}
