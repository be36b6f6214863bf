import { expect, it } from 'vitest'
import { SETTING_VARIABLES } from '../entry/settings.ts'
import { denoPermissions, startEdge } from '../testing/runtimes.ts'
import { startStubGateway } from '../testing/stub-gateway.ts'

it('in Deno the edge may read its settings and nothing else of the environment, and no files', () => {
  const [env, ...others] = denoPermissions()
  expect(env?.split('=')[1]?.split(',').toSorted()).toEqual(
    ['HOST', 'PORT', ...SETTING_VARIABLES].toSorted(),
  )
  expect(others).toEqual(['--allow-net', '--deny-net=169.254.0.0/16,metadata.google.internal'])
})

it('in Deno, too, the edge does not start with a setting under its former name', async () => {
  const gateway = await startStubGateway()
  await expect(startEdge('deno', gateway, { WITHOUT_REDIS: 'closed' })).rejects.toThrow(
    'WITHOUT_REDIS is now SLUICE_REDIS_FAILURE_POLICY',
  )
  await gateway.close()
})

it('in Deno the edge cannot reach addresses at which clouds give away credentials', async () => {
  const gateway = await startStubGateway()
  const edge = await startEdge('deno', gateway, {
    SLUICE_GATEWAY_URL: 'http://169.254.169.254/gateway',
  })
  const { key } = gateway.addKey()
  const response = await fetch(`${edge.url}/v1/events`, {
    method: 'POST',
    headers: { 'x-api-key': key },
    body: '{"event":"a"}',
  })
  expect(response.status).toBe(503)
  expect(edge.log()).toContain('NotCapable')
  await edge.stop()
  await gateway.close()
})
