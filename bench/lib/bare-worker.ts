import { Hono } from 'hono'

/** The baseline for one event: read the body, send one fetch to the gateway, respond. */
const app = new Hono<{
  Bindings: {
    SLUICE_GATEWAY_URL: string
    SLUICE_GATEWAY_USERNAME: string
    SLUICE_GATEWAY_PASSWORD: string
  }
}>()
app.post('/v1/events', async (c) => {
  const body = await c.req.text()
  const produced = await fetch(`${c.env.SLUICE_GATEWAY_URL}/produce`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Authorization: `Basic ${btoa(`${c.env.SLUICE_GATEWAY_USERNAME}:${c.env.SLUICE_GATEWAY_PASSWORD}`)}`,
    },
    body,
  })
  return c.body(await produced.text(), 202)
})

export default app
