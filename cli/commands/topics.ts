import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { allowAppend, createTopics } from '../../core/log/open.ts'
import type { Terminal } from '../terminal.ts'

export function createTopicsCommand(config: Config, terminal: Terminal): Command {
  return new Command('topics')
    .description('Create missing topics on the Kafka of KAFKA_BROKERS')
    .option('--allow-append <user>', 'let this user of Kafka append to them, and nothing else')
    .action(async ({ allowAppend: user }: { allowAppend?: string }) => {
      if (config.log.kind !== 'kafka')
        throw new UsageError(
          'The log is in Postgres, which has no topics to create.',
          'For Kafka set SLUICE_LOG_DRIVER=kafka and KAFKA_BROKERS.',
        )
      const created = await createTopics(config.log)
      for (const topic of created) terminal.print(`  ${topic}`)
      terminal.print(
        created.length === 0 ? 'All topics exist.' : `Created ${created.length} topics.`,
      )
      if (user === undefined) return
      await allowAppend(config.log, user)
      terminal.print(`${user} may append to them.`)
    })
}
