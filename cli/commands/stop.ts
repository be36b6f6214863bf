import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { waitUntilEnded } from '../../tools/process/processes.ts'
import { requireRunningInstance } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'

const STOP_MS_MAX = 15_000

export function createStopCommand(config: Config, terminal: Terminal): Command {
  return new Command('stop')
    .description('Stop the running instance; accepted events are stored first')
    .action(async () => {
      const { pid } = requireRunningInstance(config)
      process.kill(pid, 'SIGTERM')
      if (!(await waitUntilEnded(pid, STOP_MS_MAX)))
        throw new UsageError(
          `Process ${pid} is still stopping after ${STOP_MS_MAX / 1000} s.`,
          `See its log, or kill it with "kill -9 ${pid}"; the next start recovers.`,
        )
      terminal.print('Stopped.')
    })
}
