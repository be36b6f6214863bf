import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { unstable_readConfig } from 'wrangler'
import { ROOT } from '../testing/runtimes.ts'

/** What `npx wrangler deploy` would send to Cloudflare; nothing is sent. */
const ENVIRONMENTS = ['production', 'staging']
const configOf = (env: string) =>
  unstable_readConfig({ config: join(ROOT, 'wrangler.toml'), env }, { hideWarnings: true })

test.each(ENVIRONMENTS)(
  'wrangler builds what it would deploy to %s, small and without Node',
  async (env) => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-wrangler-'))
    try {
      const wrangler = join(ROOT, 'node_modules/wrangler/bin/wrangler.js')
      const { stdout } = await promisify(execFile)(
        process.execPath,
        [wrangler, 'deploy', '--dry-run', '--env', env, '--outdir', folder],
        {
          cwd: ROOT,
          // No account is asked, and none is there to be asked.
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
      const worker = readFileSync(join(folder, 'worker.js'))
      expect(worker.toString()).not.toMatch(/from\s*["']node:/)
      // Cloudflare takes 3 MiB, and starts less of it faster.
      expect(gzipSync(worker).byteLength).toBeLessThan(256 * 1024)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

test.each(ENVIRONMENTS)(
  '%s names its secrets and holds none, and knows no variable that the edge does not',
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
  '%s is reached by its own domain alone, and its log lines are kept',
  (env) => {
    const { routes, workers_dev, preview_urls, observability } = configOf(env)
    expect(routes).toEqual([{ pattern: expect.stringContaining('events.'), custom_domain: true }])
    expect({ workers_dev, preview_urls }).toEqual({ workers_dev: false, preview_urls: false })
    expect(observability?.enabled).toBe(true)
  },
)

test('what wrangler dev serves without an environment goes to this machine', () => {
  const { vars, secrets, dev } = configOf('')
  expect(new URL(String(vars.SLUICE_GATEWAY_URL)).hostname).toBe('127.0.0.1')
  expect(dev.ip).toBe('127.0.0.1')
  // Named here, they would be all that it takes from .dev.vars.
  expect(secrets?.required).toBeUndefined()
})
