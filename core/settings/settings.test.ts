import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { readConfig } from '../config.ts'
import { ROOT } from '../lib/paths.ts'
import { PROVIDER_VARIABLES } from '../sign-in-config.ts'
import { SETTINGS } from './settings.ts'

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const namesReadBy = (program: string) =>
  SETTINGS.filter(({ readBy }) => new RegExp(`\\b${program}\\b`).test(readBy)).map(
    ({ name }) => name,
  )

describe('the list of settings', () => {
  test('has every variable that core/config.ts reads, and no other', () => {
    const inCode = namesIn([
      'core/config.ts',
      'core/audit-config.ts',
      'core/canary-config.ts',
      'core/sign-in-config.ts',
      'core/verification-config.ts',
    ])
    // TERM is the terminal's, not a setting of Sluice.
    inCode.delete('TERM')
    const listed = new Set([...namesReadBy('core'), ...namesReadBy('cli')])
    for (const name of PROVIDER_VARIABLES)
      expect(listed.delete(`SLUICE_OIDC_<ID>_${name}`)).toBe(true)
    expect([...listed].sort()).toEqual([...inCode].sort())
  })

  test('has every variable that an edge reads, and no other', () => {
    const entries = globSync('edge/entry/*.ts', { cwd: ROOT }).filter((file) => !/test/.test(file))
    const inCode = namesIn(entries)
    expect(namesReadBy('edge').sort()).toEqual([...inCode].sort())
  })

  test('has every variable that docker-compose.yml takes from its environment, and no other', () => {
    const inFile = [...read('docker-compose.yml').matchAll(/\$\{([A-Z_]+)/g)].map(
      ([, name]) => name as string,
    )
    expect(namesReadBy('compose').sort()).toEqual([...new Set(inFile)].sort())
  })

  test('names the defaults that core/config.ts has', () => {
    const config = readConfig({})
    const defaults = Object.fromEntries(SETTINGS.map((setting) => [setting.name, setting.default]))
    expect(defaults).toMatchObject({
      HOST: `\`${config.host}\``,
      PORT: expect.stringContaining(`\`${config.corePort}\` core`),
      SLUICE_LOG_DRIVER: `\`${config.log.kind}\``,
      SLUICE_LOG_LEVEL: `\`${config.logLevel}\``,
      SLUICE_RETENTION_DAYS: `\`${LIMITS.rawRetentionDaysDefault}\``,
      SLUICE_WORKER_CONCURRENCY: `\`${LIMITS.workerConcurrencyDefault}\``,
      SLUICE_REDIS_TIMEOUT_MS: `\`${LIMITS.redisMsMax}\``,
      SLUICE_NDJSON_BYTES_MAX: `\`${LIMITS.ndjsonBytesMax}\``,
      SLUICE_COLLECTOR_PORT: `\`${config.collector.port}\``,
      SLUICE_COLLECTOR_PROCESSES: `\`${config.collector.processes}\``,
      SLUICE_EDGE: `\`${config.edge}\``,
      SLUICE_ALLOW_CLEARTEXT: `\`${config.allowCleartext}\``,
    })
  })

  test('is the table of docs/configuration.md', () => {
    const rows = read('docs/configuration.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
    expect(rows.sort()).toEqual(
      SETTINGS.map(
        (setting) =>
          `| \`${setting.name}\` |${setting.default && ` ${setting.default}`} | ${setting.meaning} | ${setting.readBy} |`,
      ).sort(),
    )
  })
})

/** Names of variables in these sources: as properties of the environment, in quotes, or as keys. */
function namesIn(files: readonly string[]): Set<string> {
  const text = files
    .map(read)
    .join('\n')
    .replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
    .replaceAll(/`[^`]*`/g, '')
  const names = text.matchAll(
    /\b((?:SLUICE|UPSTASH)_[A-Z_]+[A-Z]|(?<=env\.)[A-Z_]{4,}|(?<=')(?:HOST|PORT)(?='))\b/g,
  )
  return new Set([...names].map(([name]) => name))
}
