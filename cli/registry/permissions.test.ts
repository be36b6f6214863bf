import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { readConfig } from '../../core/config.ts'
import { PERMISSIONS } from '../../core/identity/roles.ts'
import { createTerminal } from '../terminal.ts'
import { COMMANDS } from './commands.ts'
import { COMMAND_PERMISSIONS } from './permissions.ts'

/** Commands that do something, by their whole names. */
function namesOf(command: Command, before = ''): string[] {
  const name = `${before}${command.name()}`
  if (command.commands.length === 0) return [name]
  return command.commands.flatMap((each) => namesOf(each, `${name} `))
}

test('every command names a permission of the table, and the table names no other command', async () => {
  const config = readConfig()
  const terminal = createTerminal(false)
  const create = await Promise.all(Object.values(COMMANDS).map((load) => load()))
  const names = create.flatMap((each) => namesOf(each(config, terminal)))
  expect(Object.keys(COMMAND_PERMISSIONS).sort()).toEqual(names.sort())
  const unknown = Object.values(COMMAND_PERMISSIONS).filter(
    (permission) => !Object.hasOwn(PERMISSIONS, permission),
  )
  expect(unknown).toEqual([])
})
