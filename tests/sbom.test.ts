import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')

test('npm run sbom lists every package that runs in production as CycloneDX, without network', () => {
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'sbom'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
    timeout: 50_000,
    // Nothing listens there.
    env: { ...process.env, npm_config_registry: 'http://127.0.0.1:9', npm_config_offline: 'true' },
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const { bomFormat, components } = JSON.parse(stdout) as {
    bomFormat: string
    components: { name: string; version: string }[]
  }
  expect(bomFormat).toBe('CycloneDX')
  const listed = components.map(({ name, version }) => `${name}@${version}`)
  const { dependencies, optionalDependencies, devDependencies } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  ) as Record<string, Record<string, string>>
  const direct = Object.entries({ ...dependencies, ...optionalDependencies })
  expect(listed).toEqual(
    expect.arrayContaining(direct.map(([name, version]) => `${name}@${version}`)),
  )
  expect(components.map(({ name }) => name)).not.toContain('vitest')
  expect(devDependencies).toHaveProperty('vitest')
})
