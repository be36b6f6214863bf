import { afterEach, expect, test, vi } from 'vitest'
import { denials, execute, mutate, signedOut, subscribe } from './client.ts'
import { graphql } from './graphql.ts'

/** What the server may answer to a request, and what the page then shows. */
const VIEWER = graphql('query Client { viewer { email } }')
const CHANGE = graphql('mutation ClientChange { leaveTenant(tenant: "shop") }')
const LIVE = graphql('subscription ClientLive { live { at } }')

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

const requests: { url: unknown; init: RequestInit }[] = []
function stubFetch(respond: (init: RequestInit) => Response | Promise<Response>): void {
  requests.length = 0
  vi.stubGlobal('fetch', async (url: unknown, init: RequestInit) => {
    requests.push({ url, init })
    return respond(init)
  })
}
const json = (body: unknown, status = 200) => Response.json(body, { status })
const failure = (code: string | undefined, message = 'No such thing', status = 200) =>
  json({ errors: [{ message, extensions: code === undefined ? {} : { code } }] }, status)

test('a result has its data and extensions, and the request a header that no other page can send', async () => {
  const data = { viewer: { email: 'ada@example.com' } }
  stubFetch(() => json({ data, extensions: { metrics: { whole: 1 } } }))
  expect(await execute(VIEWER, {})).toEqual({
    ok: true,
    data,
    extensions: { metrics: { whole: 1 } },
  })
  const [request] = requests
  expect([request?.url, request?.init.method, request?.init.credentials]).toEqual([
    ...['/graphql', 'POST', 'same-origin'],
  ])
  expect(new Headers(request?.init.headers).get('x-graphql-yoga-csrf')).toBe('sluice')
  // Each is sent: nothing is cached.
  await execute(VIEWER, {})
  expect(requests).toHaveLength(2)
})

test.each([
  [() => failure('FORBIDDEN', 'Not yours.'), 'forbidden', 'Not yours.'],
  [() => json({}, 403), 'forbidden', 'Your account does not have access.'],
  [() => failure('INTERNAL_SERVER_ERROR'), 'refused', 'Sluice returned an error: “No such thing”.'],
  [() => failure(undefined), 'refused', 'Sluice returned an error: “No such thing”.'],
  // A result with a part missing is none.
  [
    () => json({ data: { viewer: null }, errors: [{ message: 'No' }] }),
    ...(['refused', 'Sluice returned an error: “No”.'] as const),
  ],
  // These concern every query.
  [
    () => failure('DATABASE_UNAVAILABLE', 'down'),
    'unreachable',
    'Sluice returned an error: “down”.',
  ],
  [() => failure('OVERLOADED', 'busy'), 'unreachable', 'Sluice returned an error: “busy”.'],
  [() => json({}, 400), 'unreachable', 'Sluice returned status 400.'],
  [() => json({}, 502), 'unreachable', 'Sluice returned status 502.'],
  [() => Promise.reject(new TypeError('fetch failed')), 'unreachable', 'Sluice cannot be reached.'],
  // What a proxy may answer.
  [() => new Response('<html>'), 'unreachable', 'Sluice cannot be reached.'],
  [
    () => Promise.reject(new DOMException('late', 'TimeoutError')),
    'unreachable',
    'Sluice did not respond within 15 s.',
  ],
])('an error is one of its kind with a sentence, case %#', async (respond, kind, message) => {
  stubFetch(respond)
  expect(await execute(VIEWER, {})).toEqual({ ok: false, error: { kind, message } })
})

test.each(['BAD_USER_INPUT', 'QUERY_TOO_SLOW', 'QUERY_TOO_LARGE'])(
  'a query that is refused with %s comes with the advice of the server',
  async (code) => {
    stubFetch(() => failure(code, 'Choose a shorter range.'))
    const { error } = (await execute(VIEWER, {})) as { error: object }
    expect(error).toMatchObject({
      kind: 'refused',
      refusal: { code, advice: 'Choose a shorter range.' },
    })
  },
)

const refusedWith = (extensions: object) =>
  json({ errors: [{ message: 'It is wrong.', extensions }] })

test.each([
  [{ code: 'LAST_OWNER' }, { code: 'LAST_OWNER', advice: 'It is wrong.' }],
  [
    { code: 'BAD_USER_INPUT', argument: 'email' },
    {
      ...{ code: 'BAD_USER_INPUT', advice: 'It is wrong.' },
      fields: [{ pointer: '/email', detail: 'It is wrong.' }],
    },
  ],
  [
    {
      ...{ code: 'METRIC_NAME_TAKEN', pointer: '/other', argument: 'other' },
      errors: [{ pointer: '/name', detail: 'is taken' }, { pointer: 7 }, null],
    },
    {
      ...{ code: 'METRIC_NAME_TAKEN', advice: 'It is wrong.' },
      fields: [{ pointer: '/name', detail: 'is taken' }],
    },
  ],
])(
  'a change that is refused says why, and which fields are wrong, case %#',
  async (extensions, refusal) => {
    stubFetch(() => refusedWith(extensions))
    expect(await mutate(CHANGE, {})).toMatchObject({ ok: false, error: { refusal } })
    expect(requests).toHaveLength(1)
  },
)

test('what may be done has probably changed once something is forbidden, and only then', async () => {
  const before = denials()
  stubFetch(() => refusedWith({ code: 'LAST_OWNER' }))
  await mutate(CHANGE, {})
  // Nothing was taken away: the sign-in is too old.
  stubFetch(() =>
    json({ errors: [{ message: 'Again', extensions: { code: 'SIGN_IN_AGAIN' } }] }, 403),
  )
  await mutate(CHANGE, {})
  expect(denials()).toBe(before)
  stubFetch(() => refusedWith({ code: 'FORBIDDEN' }))
  await execute(VIEWER, {})
  expect(denials()).toBe(before + 1)
})

test('a browser that the server does not know is signed out until a query succeeds', async () => {
  const error = { kind: 'signed-out', message: 'This browser is not signed in.' }
  for (const respond of [() => json({}, 401), () => failure('UNAUTHENTICATED')]) {
    stubFetch(respond)
    expect(await execute(VIEWER, {})).toEqual({ ok: false, error })
    expect(signedOut()).toBe(true)
    stubFetch(() => json({}, 502))
    await execute(VIEWER, {})
    expect(signedOut()).toBe(true)
    stubFetch(() => json({ data: { viewer: { email: 'ada@example.com' } } }))
    await execute(VIEWER, {})
    expect(signedOut()).toBe(false)
  }
})

test('a query without a response is given up after 15 s', async () => {
  const deadlines: number[] = []
  vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
    deadlines.push(ms)
    return AbortSignal.abort(new DOMException('late', 'TimeoutError'))
  })
  stubFetch((init) => {
    init.signal?.throwIfAborted()
    return json({})
  })
  expect(await execute(VIEWER, {})).toMatchObject({
    error: { message: 'Sluice did not respond within 15 s.' },
  })
  expect(deadlines).toEqual([15_000])
  vi.restoreAllMocks()
})

/** A subscription whose events are sent by hand. */
function follow() {
  let stream: ReadableStreamDefaultController<Uint8Array> | undefined
  stubFetch(
    () =>
      new Response(
        new ReadableStream<Uint8Array>({
          start: (controller) => {
            stream = controller
          },
        }),
        { headers: { 'content-type': 'text/event-stream' } },
      ),
  )
  const received: unknown[] = []
  const unsubscribe = subscribe(
    LIVE,
    {},
    {
      data: (data) => received.push(data),
      end: (error) => received.push(error.message),
    },
  )
  const send = (text: string) => stream?.enqueue(new TextEncoder().encode(text))
  return {
    received,
    unsubscribe,
    next: (payload: unknown) => send(`event: next\ndata: ${JSON.stringify(payload)}\n\n`),
    complete() {
      send('event: complete\ndata:\n\n')
      stream?.close()
    },
    isAborted: () => requests.at(-1)?.init.signal?.aborted,
    isOpen: () => stream !== undefined,
  }
}
const live = (at: string) => ({ data: { live: { at } } })

test('a subscription passes on each update, and reports once that the server closed it', async () => {
  const { received, next, complete, isOpen } = follow()
  await expect.poll(isOpen).toBe(true)
  next(live('1'))
  next(live('2'))
  await expect.poll(() => received).toEqual([live('1').data, live('2').data])
  complete()
  await expect.poll(() => received.slice(2)).toEqual(['Sluice closed the live connection.'])
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(received).toHaveLength(3)
})

test('a subscription that fails reports the reason, and nothing after that', async () => {
  const { received, next, unsubscribe, isOpen } = follow()
  await expect.poll(isOpen).toBe(true)
  next({ errors: [{ message: 'too many', extensions: { code: 'OVERLOADED' } }] })
  await expect.poll(() => received).toEqual(['Sluice returned an error: “too many”.'])
  next(live('late'))
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(received).toHaveLength(1)
  unsubscribe()
})

test('a subscription that is ended by the page reports nothing more and is closed', async () => {
  const { received, next, unsubscribe, isAborted, isOpen } = follow()
  await expect.poll(isOpen).toBe(true)
  next(live('1'))
  await expect.poll(() => received).toHaveLength(1)
  unsubscribe()
  await expect.poll(isAborted).toBe(true)
  expect(received).toHaveLength(1)
})
