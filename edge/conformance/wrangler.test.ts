import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { unstable_readConfig } from 'wrangler'
import { ROOT } from '../testing/runtimes.ts'

/** What `npx wrangler deploy` would upload to Cloudflare; nothing is uploaded. */
const ENVIRONMENTS = ['production', 'staging']
const configOf = (env: string) =>
  unstable_readConfig({ config: join(ROOT, 'wrangler.toml'), env }, { hideWarnings: true })

test.each(ENVIRONMENTS)(
  'wrangler builds a small worker without Node modules for %s',
  async (env) => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-wrangler-'))
    try {
      const wrangler = join(ROOT, 'node_modules/wrangler/bin/wrangler.js')
      const { stdout } = await promisify(execFile)(
        process.execPath,
        [wrangler, 'deploy', '--dry-run', '--env', env, '--outdir', folder],
        {
          cwd: ROOT,
          // A dry run needs no account.
          env: {
            PATH: process.env.PATH,
            HOME: folder,
            WRANGLER_SEND_METRICS: 'false',
            NO_COLOR: '1',
          },
          timeout: 60_000,
        },
      )
      expect(stdout).toContain('--dry-run: exiting now.')
      for (const name of Object.keys(configOf(env).vars)) expect(stdout).toContain(`env.${name} `)
      const worker = readFileSync(join(folder, 'cloudflare.js'))
      expect(worker.toString()).not.toMatch(/from\s*["']node:/)
      // Cloudflare accepts 3 MiB, and starts a smaller worker faster.
      expect(gzipSync(worker).byteLength).toBeLessThan(256 * 1024)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

test.each(ENVIRONMENTS)(
  'the environment %s declares its secrets without values, and only variables that the edge reads',
  (env) => {
    const { vars, secrets } = configOf(env)
    expect(secrets?.required).toEqual(['SLUICE_GATEWAY_PASSWORD', 'SLUICE_REDIS_TOKEN'])
    for (const name of Object.keys(vars)) expect(name).not.toMatch(/PASSWORD|TOKEN|SECRET|KEY/)
    const known = readFileSync(join(ROOT, 'edge/entry/workerd.capnp'), 'utf8')
    for (const name of [...Object.keys(vars), ...(secrets?.required ?? [])])
      expect(known).toContain(`fromEnvironment = "${name}"`)
  },
)

test.each(ENVIRONMENTS)(
  'the environment %s is served on its custom domain only, with observability',
  (env) => {
    const { routes, workers_dev, preview_urls, observability } = configOf(env)
    expect(routes).toEqual([{ pattern: expect.stringContaining('events.'), custom_domain: true }])
    expect({ workers_dev, preview_urls }).toEqual({ workers_dev: false, preview_urls: false })
    expect(observability?.enabled).toBe(true)
  },
)

test('wrangler dev without an environment sends events to this machine', () => {
  const { vars, secrets, dev } = configOf('')
  expect(new URL(String(vars.SLUICE_GATEWAY_URL)).hostname).toBe('127.0.0.1')
  expect(dev.ip).toBe('127.0.0.1')
  // Declared here, they would be the only variables read from .dev.vars.
  expect(secrets?.required).toBeUndefined()
})
