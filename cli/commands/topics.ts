import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { createTopics } from '../../core/log/open.ts'
import type { Terminal } from '../terminal.ts'

export function topicsCommand(config: Config, terminal: Terminal): Command {
  return new Command('topics')
    .description('make the topics that are not there on the Kafka of KAFKA_BROKERS')
    .action(async () => {
      if (config.log.kind !== 'kafka')
        throw new UsageError(
          'The log is in Postgres.',
          'Set SLUICE_LOG_DRIVER=kafka and KAFKA_BROKERS.',
        )
      const made = await createTopics(config.log)
      for (const topic of made) terminal.say(`  ${topic}`)
      terminal.say(made.length === 0 ? 'Nothing to do: all are there.' : `Made ${made.length}.`)
    })
}
