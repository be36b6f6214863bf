import { join } from 'node:path'
import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { writeSwitch } from '../../tools/demo/demo.ts'
import { requireRunningInstance } from '../running-instance.ts'
import { createSeedCommand } from '../seed-command.ts'
import type { Terminal } from '../terminal.ts'

export function createDemoCommand(config: Config, terminal: Terminal): Command {
  const demo = new Command('demo').description(
    'Demo data of an invented shop, for the tenant "demo": a month at once, or about 20 events a second',
  )
  const addSubcommand = (name: string, description: string, isOn: boolean, done: string) =>
    demo
      .command(name)
      .description(description)
      .action(() => {
        requireRunningInstance(config)
        writeSwitch(join(config.home, 'demo'), isOn)
        terminal.print(done)
      })
  addSubcommand('start', 'Start demo traffic', true, 'Demo traffic started.')
  addSubcommand('stop', 'Stop demo traffic', false, 'Demo traffic stopped.')
  demo.addCommand(createSeedCommand(config, terminal))
  return demo
}
