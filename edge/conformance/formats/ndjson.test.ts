import { deflateSync, gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { derivedEventId } from '../../../contract/event/uuid.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { describeEdges } from '../../testing/edge-harness.ts'
import { openPost } from '../../testing/open-post.ts'
import { type EdgeResponse, send } from '../../testing/send.ts'
import { openSocket } from '../../testing/socket.ts'

function derivedId(tenant: string, idempotencyKey: string, index: number, content: string) {
  return derivedEventId({ tenant, trust: 'server', idempotencyKey, index, content })
}

const NDJSON = { 'content-type': 'application/x-ndjson' }
const IN_LINES = { ...NDJSON, accept: 'application/x-ndjson' }
const BATCH = LIMITS.ndjsonBatchLinesMax

const line = (id: number | string) => `{"event":"a","event_id":"n${id}"}\n`
const lines = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => line(from + i)).join('')
const ids = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `n${from + i}`)
const errorsOf = ({ json }: EdgeResponse) =>
  json.errors.map(
    (error: { index: number; pointer: string; code: string }) =>
      `${error.index} ${error.pointer} ${error.code}`,
  )
const parsed = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text))
const poll = (look: () => unknown, timeout = 5_000) => expect.poll(look, { timeout, interval: 20 })

describeEdges('NDJSON lines', (harness) => {
  /** A sender with its own key, and the records that arrived from it. */
  function sender(record: Parameters<typeof harness.gateway.addKey>[0] = {}) {
    const added = harness.gateway.addKey(record)
    const authorization = { authorization: `Bearer ${added.key}` }
    const arrived = () =>
      harness.gateway.records
        .map(({ value }) => JSON.parse(value))
        .filter(({ tenant }) => tenant === added.record.tenant)
    return {
      ...added,
      authorization,
      post: (body: string | Uint8Array, headers: Record<string, string> = NDJSON, path?: string) =>
        send(harness.edge.port, {
          headers: { ...NDJSON, ...authorization, ...headers },
          body,
          chunked: true,
          path,
        }),
      open: (headers: Record<string, string> = NDJSON) =>
        openPost(harness.edge.port, { ...NDJSON, ...authorization, ...headers }),
      arrived,
      arrivedIds: () => arrived().map(({ event }) => event.event_id),
    }
  }

  it.each([
    'application/x-ndjson',
    'application/jsonl',
    'application/ndjson',
    'Application/X-NDJSON; charset=UTF-8',
  ])('of type %s are one event each', async (type) => {
    const { post, arrived, record } = sender()
    const response = await post('{"event":"a","event_id":"1"}\n{"event":"b","user_id":"u"}\n', {
      'content-type': type,
      'user-agent': 'shipper/1.0',
    })
    expect(response.status).toBe(202)
    expect(response.json).toEqual({
      request_id: response.headers['x-request-id'],
      accepted: 2,
      rejected: 0,
      lines: 2,
      events: [
        expect.objectContaining({ index: 0, event_id: '1', status: 'accepted' }),
        expect.objectContaining({ index: 1, status: 'accepted', partition: expect.any(Number) }),
      ],
      errors: [],
    })
    expect(response.headers.ratelimit).toMatch(/^"key";r=\d+;/)
    expect(arrived()).toMatchObject([
      { tenant: record.tenant, route: 'ndjson', client: 'shipper/1.0', event: { name: 'a' } },
      { key: record.key_id, event: { name: 'b', actor: 'u' } },
    ])
  })

  it('may end in LF or CRLF, begin with a byte order mark and include blank lines', async () => {
    const { post, arrivedIds } = sender()
    const body = `\ufeff${line(0)}\r\n \t\n${line(1).trim()}\r\n\n\n\ufeff${line(2)}\n${line(3).trim()}`
    const response = await post(body)
    expect(response.json).toMatchObject({ accepted: 4, rejected: 0, lines: 4, errors: [] })
    expect(arrivedIds()).toEqual(ids(4))
  })

  it('that are invalid do not affect the others and are reported by index', async () => {
    const { post, arrivedIds } = sender()
    const body = Buffer.concat(
      [
        line(0),
        'nope\n',
        Buffer.from([0x7b, 0xff, 0x7d, 0x0a]),
        '{"event":"a","x":9007199254740993}\n',
        '\n',
        `{"event":"a","x":"${'x'.repeat(LIMITS.ndjsonLineBytesMax)}"}\n`,
        `{"event":"a","x":"${'x'.repeat(LIMITS.eventBytesMax)}"}\n`,
        '[]\n5\n"a"\n{"event":"a"\n}\n',
        '{"event":5,"timestamp":"now"}\n',
        line(1),
        '{"event":"a"',
      ].map((part) => Buffer.from(part as string)),
    )
    const response = await post(body)
    expect(response.status).toBe(202)
    expect(response.json).toMatchObject({ accepted: 2, rejected: 12, lines: 14 })
    expect(errorsOf(response)).toEqual([
      '1  INVALID_JSON',
      '2  INVALID_UTF8',
      '3 /x NUMBER_UNREPRESENTABLE',
      '4  EVENT_TOO_LARGE',
      '5  EVENT_TOO_LARGE',
      '6  EVENT_NOT_OBJECT',
      '7  EVENT_NOT_OBJECT',
      '8  EVENT_NOT_OBJECT',
      '9  INVALID_JSON',
      '10  INVALID_JSON',
      '11 /event NAME_INVALID',
      '11 /timestamp OCCURRED_AT_INVALID',
      '13  INVALID_JSON',
    ])
    expect(response.json.errors[0].detail).toMatch(/^the line is not valid JSON: /)
    expect(arrivedIds()).toEqual(ids(2))
  })

  it('are rejected when none is valid or the body is empty', async () => {
    const { post, arrived } = sender()
    const bad = await post('{}\nnope')
    expect([bad.status, bad.json.code]).toEqual([422, 'EVENTS_INVALID'])
    expect(bad.json).toMatchObject({ accepted: 0, rejected: 2, lines: 2 })
    expect(errorsOf(bad)).toEqual(['0 /name NAME_MISSING', '1  INVALID_JSON'])
    for (const empty of ['', '\n\r\n \n']) {
      const none = await post(empty)
      expect([none.status, none.json.code]).toEqual([422, 'BATCH_EMPTY'])
    }
    expect(arrived()).toEqual([])
  })

  it('in another charset or in an unsupported encoding are rejected', async () => {
    const { post } = sender()
    const charset = await post(line(0), { 'content-type': 'application/x-ndjson; charset=latin1' })
    expect([charset.status, charset.json.code]).toEqual([415, 'MEDIA_TYPE_UNSUPPORTED'])
    const encoding = await post(line(0), { 'content-encoding': 'br' })
    expect([encoding.status, encoding.json.code]).toEqual([415, 'ENCODING_UNSUPPORTED'])
  })

  it('need a key, and may be historical when the key allows it', async () => {
    const { post, arrived } = sender({ may_import_history: true })
    expect((await post(line(0), { authorization: 'Bearer nonsense' })).status).toBe(401)
    const old = '{"event":"a","timestamp":"2001-01-01T00:00:00Z"}'
    const live = await post(old)
    expect(live.json.warnings).toMatchObject([{ index: 0, code: 'OCCURRED_AT_TOO_OLD' }])
    const historical = await post(old, NDJSON, '/v1/events?historical=true')
    expect(historical.json.warnings).toBeUndefined()
    expect(arrived()).toMatchObject([{ original: old }, { historical: true }])
  })

  it('are listed individually up to 1,000 and counted beyond', async () => {
    const { post } = sender()
    const some = await post(`nope\n${lines(LIMITS.batchEventsMax - 1)}`)
    expect(some.json).toMatchObject({ accepted: 999, rejected: 1, lines: 1000 })
    expect(some.json.events.map(({ index }: { index: number }) => index)).toEqual(
      Array.from({ length: 999 }, (_, i) => i + 1),
    )
    const many = await post(`${lines(500)}${'nope\n'.repeat(1_500)}`)
    expect(many.json).toMatchObject({
      accepted: 500,
      rejected: 1_500,
      lines: 2_000,
      events: [],
      events_omitted: 500,
      errors_omitted: 500,
    })
    expect(many.json.errors.map(({ index }: { index: number }) => index)).toEqual(
      Array.from({ length: 1_000 }, (_, i) => 500 + i),
    )
  })

  it('arrive completely and in order when there are 100,000 of them', async () => {
    const { post, arrivedIds } = sender()
    const response = await post(lines(100_000))
    expect(response.json).toMatchObject({ accepted: 100_000, rejected: 0, lines: 100_000 })
    expect(arrivedIds()).toEqual(ids(100_000))
    harness.gateway.records.length = 0
  })

  it('may be compressed with gzip or deflate', async () => {
    const { post, arrivedIds } = sender()
    const body = lines(2_000)
    expect((await post(gzipSync(body), { 'content-encoding': 'gzip' })).json.accepted).toBe(2_000)
    const deflated = await post(deflateSync(lines(2_000, 2_000)), { 'content-encoding': 'deflate' })
    expect(deflated.json.accepted).toBe(2_000)
    expect(arrivedIds()).toEqual(ids(4_000))
  })

  it('in a truncated gzip stream are accepted so far, and the response names the line to resume from', async () => {
    const { post, arrivedIds } = sender()
    // Random ids do not compress, so that half of the bytes contain about half of the lines.
    const body = Array.from({ length: 4_000 }, () => line(crypto.randomUUID())).join('')
    const packed = gzipSync(body)
    const response = await post(packed.subarray(0, packed.length / 2), {
      'content-encoding': 'gzip',
    })
    expect([response.status, response.json.code]).toEqual([400, 'INVALID_ENCODING'])
    const { accepted } = response.json
    expect(accepted).toBeGreaterThan(1_000)
    expect(response.json).toMatchObject({
      rejected: 0,
      lines: accepted,
      resume_from_line: accepted,
    })
    expect(arrivedIds().length).toBe(accepted)
    const none = await post('no gzip', { 'content-encoding': 'gzip' })
    expect([none.status, none.json.code, none.json.accepted]).toEqual([400, 'INVALID_ENCODING', 0])
  })

  it('in a decompression bomb are rejected, whatever its content', async () => {
    const { post, arrived } = sender({ key_events_per_minute: 1e9, tenant_events_per_minute: 1e9 })
    const size = LIMITS.ndjsonBytesMax - 1_000
    for (const filling of ['\n', 'x', '{"event":5}\n']) {
      const bomb = gzipSync(filling.repeat(size / filling.length), { level: 9 })
      expect(bomb.length).toBeLessThan(size / LIMITS.inflateRatioMax)
      const response = await post(bomb, { 'content-encoding': 'gzip' })
      expect([response.status, response.json.code]).toEqual([413, 'BODY_TOO_LARGE'])
      expect(response.json.detail).toMatch(/more than 200 times/)
      // Detected early; Node's stream reads 64 KiB of compressed bytes ahead of its output.
      const inflatedMax =
        (['node', 'collector'].includes(harness.runtime) ? 64 * 1024 * 400 : 0) +
        3 * LIMITS.bodyBytesMax
      expect(response.json.lines).toBeLessThan(inflatedMax / 12)
    }
    expect(arrived()).toEqual([])
  })

  it('beyond 64 MiB are rejected, and those before are accepted', async () => {
    const { post, open, authorization, arrivedIds } = sender()
    const announced = await openSocket(harness.edge.port)
    announced.write(
      [
        'POST /v1/events HTTP/1.1',
        'Host: edge',
        `Authorization: ${authorization.authorization}`,
        'Content-Type: application/x-ndjson',
        `Content-Length: ${LIMITS.ndjsonBytesMax + 1}`,
        '\r\n',
      ].join('\r\n'),
    )
    // Rejected by its Content-Length, before the first byte of the body.
    await poll(() => announced.received()).toContain('"code":"BODY_TOO_LARGE"')
    announced.reset()
    const long = open()
    await long.write(lines(700))
    const blank = Buffer.alloc(1 << 20, '\n')
    for (let i = 0; i < 64 && long.status() === undefined; i++) await long.write(blank)
    long.end()
    await long.finished
    const response = JSON.parse(long.received())
    expect([long.status(), response.code]).toEqual([413, 'BODY_TOO_LARGE'])
    expect(response).toMatchObject({ accepted: 700, lines: 700, resume_from_line: 700 })
    expect(response.detail).toMatch(/67,108,864 bytes.*first 700 lines.*from line 700 on/)
    expect(arrivedIds()).toEqual(ids(700))
    expect((await post(`${'\n'.repeat(5 << 20)}${line(700)}`)).json.accepted).toBe(1)
  }, 60_000)

  it('are published while the stream continues, a lone line after a second', async () => {
    const { open, arrivedIds } = sender()
    const stream = open()
    await stream.write(lines(BATCH + 1))
    await poll(() => arrivedIds().length).toBeGreaterThanOrEqual(BATCH)
    await poll(() => arrivedIds().length, 3_000).toBe(BATCH + 1)
    await stream.write(`${line(BATCH + 1)}{"event":"a","event`)
    await poll(() => arrivedIds().length, 3_000).toBe(BATCH + 2)
    expect(stream.status()).toBeUndefined()
    await stream.write(`_id":"n${BATCH + 2}"}`)
    stream.end()
    await stream.finished
    expect(JSON.parse(stream.received())).toMatchObject({ accepted: BATCH + 3, rejected: 0 })
    expect(arrivedIds()).toEqual(ids(BATCH + 3))
  })

  it('that were complete are in the log when the connection breaks', async () => {
    const { open, post, arrivedIds } = sender()
    const stream = open()
    await stream.write(`${lines(BATCH)}{"event":"a","event_id":"ha`)
    await poll(() => arrivedIds().length).toBe(BATCH)
    stream.breakOff()
    await stream.finished
    expect((await post(lines(3, BATCH))).json.accepted).toBe(3)
    expect(arrivedIds()).toEqual(ids(BATCH + 3))
  })

  it('release their Idempotency-Key when the connection breaks', async () => {
    const { open, post, arrivedIds } = sender()
    const once = { 'idempotency-key': 'broken' }
    const stream = open(once)
    await stream.write(lines(BATCH))
    await poll(() => arrivedIds().length).toBe(BATCH)
    stream.breakOff()
    let again: EdgeResponse | undefined
    await poll(async () => {
      again = await post(lines(BATCH + 3), once)
      return again.status
    }, 18_000).toBe(202)
    expect(again?.json).toMatchObject({ accepted: BATCH + 3, lines: BATCH + 3 })
    expect(new Set(arrivedIds())).toEqual(new Set(ids(BATCH + 3)))
  }, 25_000)

  it('beyond the rate limit get a 429 with the line and the time to resume', async () => {
    const { post, arrivedIds } = sender({
      key_events_per_minute: 20,
      tenant_events_per_minute: 1e6,
    })
    const response = await post(lines(2_000))
    expect([response.status, response.json.code]).toEqual([429, 'RATE_LIMITED'])
    expect(response.json).toMatchObject({ accepted: 20, lines: 20, resume_from_line: 20 })
    expect(response.json.events).toHaveLength(20)
    expect(response.json.detail).toMatch(/first 20 lines are done with.*from line 20 on/)
    const wait = Number(response.headers['retry-after'])
    expect(wait).toBeGreaterThan(0)
    expect(wait).toBeLessThanOrEqual(60)
    expect(response.headers.ratelimit).toMatch(/^"key";r=0;/)
    expect(arrivedIds()).toEqual(ids(20))
    const none = await post(lines(10))
    expect([none.status, none.json.lines, none.json.resume_from_line]).toEqual([429, 0, 0])
  })

  it('are charged to the rate limit only when they are published or invalid', async () => {
    const { post } = sender({ key_events_per_minute: 20 })
    harness.gateway.produceFaults.push({ status: 500 }, { status: 500 })
    expect((await post(lines(20))).status).toBe(503)
    expect((await post(`${lines(19)}nope`)).status).toBe(202)
    expect((await post(lines(1))).status).toBe(429)
  })

  it('get a 503 with the line to resume from when the log fails midway', async () => {
    const { post, arrivedIds } = sender()
    await post(line('warm'))
    const requestsBefore = harness.gateway.requestCounts.produce
    const pending = post(lines(20_000))
    await poll(() => harness.gateway.requestCounts.produce).toBeGreaterThan(requestsBefore + 1)
    harness.gateway.produceFaults.push({ status: 503 }, { status: 503 })
    const response = await pending
    expect([response.status, response.json.code]).toEqual([503, 'LOG_UNAVAILABLE'])
    expect(response.headers['retry-after']).toBe('2')
    const { accepted } = response.json
    expect(accepted % BATCH).toBe(0)
    expect(response.json).toMatchObject({ lines: accepted, resume_from_line: accepted })
    expect(response.json.detail).toMatch(/may be in the log already/)
    expect(arrivedIds()).toEqual(['nwarm', ...ids(accepted)])
    const rest = await post(lines(20_000 - accepted, accepted))
    expect(rest.json.accepted).toBe(20_000 - accepted)
    expect(arrivedIds()).toEqual(['nwarm', ...ids(20_000)])
  })

  it('with an Idempotency-Key get ids derived from it, and the same response again', async () => {
    const { post, arrived, record } = sender()
    const once = { 'idempotency-key': 'k1' }
    const body = '{"event":"a"}\nnope\n{"event":"b"}\n{"event":"c","event_id":"mine"}'
    const first = await post(body, once)
    const again = await post(body, { ...once, 'idempotency-key': '"k1"' })
    const packed = await post(gzipSync(`\n${body.replaceAll('\n', '\n\n')}\n`), {
      ...once,
      'content-encoding': 'gzip',
    })
    expect(first.json.events.map(({ event_id }: { event_id: string }) => event_id)).toEqual([
      await derivedId(record.tenant, 'k1', 0, '{"event":"a"}'),
      await derivedId(record.tenant, 'k1', 2, '{"event":"b"}'),
      'mine',
    ])
    for (const { status, text, headers } of [again, packed]) {
      expect([status, text]).toEqual([202, first.text])
      expect(headers['idempotency-replayed']).toBe('true')
    }
    expect(first.headers['idempotency-replayed']).toBeUndefined()
    expect(arrived()).toHaveLength(3)
    const inLines = await post(body, { ...IN_LINES, ...once })
    expect(inLines.headers['idempotency-replayed']).toBe('true')
    expect(parsed(inLines.text)).toMatchObject([
      { index: 0, status: 'accepted' },
      { index: 1, status: 'rejected', errors: [{ code: 'INVALID_JSON' }] },
      { index: 2, status: 'accepted' },
      { index: 3, event_id: 'mine' },
      { summary: { request_id: first.json.request_id, accepted: 3, rejected: 1, lines: 4 } },
    ])
  })

  it('with an Idempotency-Key that was used for other lines are rejected', async () => {
    const { post } = sender({ may_import_history: true })
    const once = { 'idempotency-key': 'k2' }
    expect((await post(lines(1_200), once)).status).toBe(202)
    for (const other of [lines(1_199), lines(1_201), `${lines(1_199)}${line('x')}`, line('x')]) {
      const response = await post(other, once)
      expect([response.status, response.json.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED'])
    }
    const asJson = await post('{"event":"a"}', { ...once, 'content-type': 'application/json' })
    expect(asJson.json.code).toBe('IDEMPOTENCY_KEY_REUSED')
    const historical = await post(lines(1_200), once, '/v1/events?historical=true')
    expect(historical.json.code).toBe('IDEMPOTENCY_KEY_REUSED')
    expect((await post(lines(1_200), once)).status).toBe(202)
  })

  it('with an Idempotency-Key in flight get a 409', async () => {
    const { open, post, arrivedIds } = sender()
    const once = { 'idempotency-key': 'k3' }
    const stream = open(once)
    await stream.write(lines(BATCH))
    await poll(() => arrivedIds().length).toBe(BATCH)
    const other = await post(lines(BATCH), once)
    expect([other.status, other.json.code]).toEqual([409, 'IDEMPOTENCY_IN_FLIGHT'])
    expect(Number(other.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    stream.end()
    await stream.finished
    expect(stream.status()).toBe(202)
    expect((await post(lines(BATCH), once)).headers['idempotency-replayed']).toBe('true')
  })

  it('with an Idempotency-Key resume where they stopped, each in the log once', async () => {
    const { post, open, arrived, record } = sender()
    const once = { 'idempotency-key': 'k4' }
    const count = 3 * BATCH - 100
    const body = '{"event":"a"}\n'.repeat(count)
    // Two and a half batches, then the log fails.
    const stream = open(once)
    await stream.write(body.slice(0, 14 * 2 * BATCH))
    await poll(() => arrived().length).toBe(2 * BATCH)
    harness.gateway.produceFaults.push({ status: 503 }, { status: 503 })
    await stream.write(body.slice(14 * 2 * BATCH))
    stream.end()
    await stream.finished
    const first = JSON.parse(stream.received())
    expect(first).toMatchObject({ status: 503, accepted: 2 * BATCH, resume_from_line: 0 })
    expect(first.detail).toMatch(/again with the same Idempotency-Key/)
    // A second failure keeps the checkpoint, and another body is rejected before anything is published.
    harness.gateway.produceFaults.push({ status: 503 }, { status: 503 })
    expect((await post(body, once)).json).toMatchObject({ status: 503, lines: 2 * BATCH })
    for (const other of [`{"event":"b"}\n${body.slice(14)}`, body.slice(0, 14 * 200), ''])
      expect((await post(other, once)).json.code).toBe('IDEMPOTENCY_KEY_REUSED')
    expect(arrived()).toHaveLength(2 * BATCH)
    const done = await post(body, once)
    expect(done.json).toMatchObject({ accepted: count, rejected: 0, lines: count })
    const expected = await Promise.all(
      ids(count).map((_, i) => derivedId(record.tenant, 'k4', i, '{"event":"a"}')),
    )
    expect(arrived().map(({ event }) => event.event_id)).toEqual(expected)
    expect((await post(body, once)).text).toBe(done.text)
  })

  it('with an Idempotency-Key pass a rate limit over several attempts', async () => {
    const { post, arrivedIds, record } = sender({ key_events_per_minute: 20 })
    const once = { 'idempotency-key': 'k6' }
    const first = await post(lines(45), once)
    expect(first.json).toMatchObject({ status: 429, accepted: 20, resume_from_line: 0 })
    const other = sender({ tenant: record.tenant, key_events_per_minute: 20 })
    expect((await other.post(lines(45), once)).json).toMatchObject({ status: 429, accepted: 40 })
    const third = sender({ tenant: record.tenant, key_events_per_minute: 20 })
    const done = await third.post(lines(45), once)
    expect([done.status, done.json.events.length]).toEqual([202, 45])
    expect(arrivedIds()).toEqual(ids(45))
  })

  it('get an NDJSON response on request, with each result as soon as the line is in the log', async () => {
    const { open, arrivedIds } = sender()
    const stream = open(IN_LINES)
    await stream.write(
      `${line(0)}nope\n{"event":"a","event_id":"n1","timestamp":"2001-01-01T00:00:00Z"}\n`,
    )
    await poll(() => stream.received().split('\n').length, 3_000).toBe(4)
    expect(stream.headers()['content-type']).toBe('application/x-ndjson')
    expect(parsed(stream.received())).toEqual([
      expect.objectContaining({ index: 0, event_id: 'n0', status: 'accepted' }),
      { index: 1, status: 'rejected', errors: [expect.objectContaining({ code: 'INVALID_JSON' })] },
      expect.objectContaining({
        index: 2,
        warning: expect.objectContaining({ code: 'OCCURRED_AT_TOO_OLD' }),
      }),
    ])
    await stream.write(lines(5_000, 2))
    stream.end()
    await stream.finished
    const results = parsed(stream.received())
    expect(results.map(({ index }) => index)).toEqual([
      ...Array.from({ length: 5_003 }, (_, i) => i),
      undefined,
    ])
    expect(results.at(-1)).toEqual({
      summary: {
        request_id: stream.headers()['x-request-id'],
        accepted: 5_002,
        rejected: 1,
        lines: 5_003,
      },
    })
    expect(arrivedIds()).toEqual(ids(5_002))
  })

  it('with an NDJSON response end in the problem, or get a problem status when nothing was accepted', async () => {
    const { post } = sender({ key_events_per_minute: 20 })
    const bad = await post('nope\n', IN_LINES)
    expect([bad.status, bad.json?.code]).toEqual([422, 'EVENTS_INVALID'])
    const cut = await post(lines(700), IN_LINES)
    expect(cut.status).toBe(202)
    const results = parsed(cut.text)
    expect(results).toHaveLength(20)
    expect(results.at(-1)).toEqual({
      problem: expect.objectContaining({
        status: 429,
        code: 'RATE_LIMITED',
        accepted: 19,
        resume_from_line: 19,
      }),
    })
    const none = await post(lines(700), IN_LINES)
    expect([none.status, none.json?.code]).toEqual([429, 'RATE_LIMITED'])
  })

  it('release their Idempotency-Key when the client stops reading the NDJSON response', async () => {
    const { open, post } = sender()
    const once = { 'idempotency-key': 'k5' }
    const stream = open({ ...IN_LINES, ...once })
    await stream.write(lines(BATCH))
    await poll(() => stream.received().length).toBeGreaterThan(0)
    stream.breakOff()
    await poll(async () => (await post(lines(BATCH), once)).status, 18_000).toBe(202)
  }, 25_000)
})
