import { join } from 'node:path'
import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { writeSwitch } from '../../tools/demo/demo.ts'
import { requireRunningInstance } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'

export function demoCommand(config: Config, terminal: Terminal): Command {
  const demo = new Command('demo').description(
    'traffic of a made-up shop, about 20 events a second, tenant "demo"',
  )
  for (const [name, on] of [
    ['start', true],
    ['stop', false],
  ] as const)
    demo.command(name).action(() => {
      requireRunningInstance(config)
      writeSwitch(join(config.home, 'demo'), on)
      terminal.say(on ? 'Demo traffic flows.' : 'Demo traffic has stopped.')
    })
  return demo
}
