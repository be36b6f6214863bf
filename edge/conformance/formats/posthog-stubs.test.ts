import { expect, it } from 'vitest'
import { describeEdges } from '../../testing/edge-harness.ts'
import { send } from '../../testing/send.ts'

describeEdges("the edge, for the other requests of PostHog's libraries", (harness) => {
  const ask = (method: string, path: string, more: object = {}) =>
    send(harness.edge.port, { method, path, headers: { origin: 'https://a.example' }, ...more })

  it('responds with empty flags, configuration and surveys', async () => {
    const key = 'slc_pub_whatever'
    for (const path of ['/flags/?v=2', '/flags?v=2', '/decide/?v=3']) {
      const { status, json } = await ask('POST', path, { body: '{}' })
      expect(status).toBe(200)
      expect(json).toMatchObject({ flags: {}, featureFlags: {}, errorsWhileComputingFlags: false })
    }
    const config = await ask('GET', `/array/${key}/config`)
    expect(config.json).toMatchObject({ sessionRecording: false, hasFeatureFlags: false })
    const script = await ask('GET', `/array/${key}/config.js`)
    expect(script.headers['content-type']).toBe('application/javascript')
    const page = {} as { _POSTHOG_REMOTE_CONFIG: Record<string, { config: object }> }
    new Function('window', script.text)(page)
    expect(page._POSTHOG_REMOTE_CONFIG[key]?.config).toMatchObject({ ...config.json, token: key })
    expect((await ask('GET', `/api/surveys/?token=${key}`)).json).toEqual({ surveys: [] })
    expect((await ask('GET', '/static/array.js')).status).toBe(404)
    expect(harness.edge.log()).not.toContain(key)
  })

  it('rejects a token that could inject code into the configuration script', async () => {
    for (const token of ["a'b", '%27);alert(1)//', '%3C/script%3E'])
      expect((await ask('GET', `/array/${token}/config.js`)).status).toBe(404)
  })

  it('accepts session recordings and discards them', async () => {
    const from = harness.gateway.records.length
    const recording = { event: '$snapshot', properties: { $snapshot_data: 'x'.repeat(2_000_000) } }
    for (let i = 0; i < 3; i++) {
      const response = await ask('POST', '/s/', { body: JSON.stringify(recording) })
      expect([response.status, response.json]).toEqual([200, { status: 1 }])
    }
    expect(harness.gateway.records.length).toBe(from)
  })

  it('allows requests from any origin', async () => {
    for (const [method, path] of [
      ['POST', '/e/'],
      ['POST', '/flags/'],
      ['GET', '/array/k/config'],
    ] as const) {
      const preflight = await ask('OPTIONS', path)
      expect(preflight.status).toBe(204)
      expect(preflight.headers['access-control-allow-methods']).toContain(method)
      const response = await ask(method, path, method === 'POST' ? { body: '{}' } : {})
      expect(response.headers['access-control-allow-origin']).toBe('*')
      const wrong = await ask(method === 'POST' ? 'GET' : 'DELETE', path)
      expect([wrong.status, wrong.headers.allow]).toEqual([405, expect.stringContaining(method)])
    }
  })
})
