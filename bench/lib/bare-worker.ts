import { Hono } from 'hono'

/** The floor for one event: read the body, make one fetch to where events would go, answer. */
const app = new Hono<{
  Bindings: {
    SLUICE_GATEWAY_URL: string
    SLUICE_GATEWAY_USERNAME: string
    SLUICE_GATEWAY_PASSWORD: string
  }
}>()
app.post('/v1/events', async (c) => {
  const body = await c.req.text()
  const taken = await fetch(`${c.env.SLUICE_GATEWAY_URL}/produce`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Authorization: `Basic ${btoa(`${c.env.SLUICE_GATEWAY_USERNAME}:${c.env.SLUICE_GATEWAY_PASSWORD}`)}`,
    },
    body,
  })
  return c.body(await taken.text(), 202)
})

export default app
